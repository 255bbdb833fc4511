// SPDX-License-Identifier: Apache-2.0
// Tables of the opaque handles that applications hold: a handle is looked up, never trusted.
#pragma once

#include <cstddef>
#include <deque>
#include <memory>
#include <unordered_map>
#include <utility>
#include <vector>

namespace sim {

// Handles of one kind. The caller serialises access. A dead object is kept for a while so that its
// address is not handed out again at once: a stale handle is then refused instead of meaning
// something new.
template <class T, class Handle>
class Handles {
 public:
  static Handle handle(const T* object) { return reinterpret_cast<Handle>(const_cast<T*>(object)); }
  Handle insert(std::shared_ptr<T> object) {
    const Handle key = handle(object.get());
    live_.emplace(key, std::move(object));
    return key;
  }
  std::shared_ptr<T> find(Handle key) const {
    const auto it = live_.find(key);
    return it == live_.end() ? nullptr : it->second;
  }
  std::shared_ptr<T> erase(Handle key) {
    const auto it = live_.find(key);
    if (it == live_.end()) return nullptr;
    std::shared_ptr<T> object = std::move(it->second);
    live_.erase(it);
    dead_.push_back(object);
    if (dead_.size() > kKept) dead_.pop_front();
    return object;
  }
  template <class Predicate>
  std::vector<std::shared_ptr<T>> select(Predicate&& predicate) const {
    std::vector<std::shared_ptr<T>> found;
    for (const auto& [key, object] : live_) {
      if (predicate(*object)) found.push_back(object);
    }
    return found;
  }
  size_t size() const { return live_.size(); }

 private:
  static constexpr size_t kKept = 1024;
  std::unordered_map<Handle, std::shared_ptr<T>> live_;
  std::deque<std::shared_ptr<T>> dead_;
};

}  // namespace sim
