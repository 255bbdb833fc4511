// SPDX-License-Identifier: Apache-2.0
// Reads traces, also those of an older or newer writer: events come by the names that the file's
// head has for them. Trusts no byte of the file. Not thread-safe.
#pragma once

#include <array>
#include <filesystem>
#include <fstream>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/trace/encode.h"

struct ZSTD_DCtx_s;

namespace spillway::tools {

// As the head of a trace describes it.
struct FieldInfo {
  enum class Type : uint8_t { Number, Bool, Text, List, Word };
  std::string name, unit;
  Type type = Type::Number;
  std::vector<std::string> words;  // of an enum
};
struct KindInfo {
  std::string name;
  std::vector<FieldInfo> fields;
  std::vector<FieldInfo::Type> types;  // of the fields, close together
  size_t known = 0;                    // place in trace::Event, if it is there
  std::vector<int> places;             // for each field of that event: its place here, or -1
};
inline constexpr size_t kUnknownKind = std::variant_size_v<trace::Event>;

// One event. Texts and lists are valid until the next one is read.
struct Record {
  static constexpr size_t kMostFields = 32;
  const KindInfo* kind = nullptr;
  uint64_t time = 0;                            // ns of CLOCK_MONOTONIC
  uint64_t slot = 0;                            // of the thread
  std::array<uint64_t, kMostFields> numbers{};  // by place of the field; of a word: its place
  std::string_view text;
  std::vector<uint64_t> list;
};

class TraceError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

class TraceReader {
 public:
  // Throws TraceError: there is no such file, or it is not a trace (the message says which).
  explicit TraceReader(const std::filesystem::path& path);
  ~TraceReader();

  const nlohmann::json& head() const { return *head_; }
  // What the head says of the process; the fallback when it says nothing, or something else.
  std::string about(const char* what, const char* fallback) const;
  uint64_t about(const char* what) const;
  const std::vector<KindInfo>& kinds() const { return kinds_; }

  // False: the end. Damaged blocks are skipped and counted.
  bool next(Record* record);
  // The event, if it is an E; fields that the file does not have keep their defaults.
  template <class E>
  static std::optional<E> as(const Record& record);

  uint64_t damaged_blocks() const { return damaged_; }
  uint64_t bytes() const { return size_; }
  uint64_t bytes_read() const { return at_; }
  bool cut_short() const { return cut_short_; }  // the last block is not whole

 private:
  void read_head();
  bool read_block();
  void skip_to_a_block();
  bool decode(Record* record);

  std::ifstream file_;
  uint64_t size_ = 0, at_ = 0;
  uint64_t expected_ = 0;  // where the next block begins if nothing is damaged
  std::unique_ptr<nlohmann::json> head_;
  std::vector<KindInfo> kinds_;
  std::unique_ptr<ZSTD_DCtx_s, size_t (*)(ZSTD_DCtx_s*)> unpacker_;
  std::vector<char> packed_;
  std::vector<uint8_t> raw_;
  const uint8_t* from_ = nullptr;
  const uint8_t* end_ = nullptr;
  uint64_t slot_ = 0, damaged_ = 0;
  bool cut_short_ = false;
};

template <class E>
std::optional<E> TraceReader::as(const Record& record) {
  if (record.kind->known != trace::kNumber<E>) return std::nullopt;
  E event;
  size_t field = 0;
  trace::each_field<E>([&](const auto& each) {
    using Value = typename std::remove_cvref_t<decltype(each)>::value_type;
    const int place = record.kind->places[field++];
    if (place < 0) return;
    Value& value = event.*each.member;
    if constexpr (trace::kIsText<Value>)
      value = record.text;
    else if constexpr (trace::kIsList<Value>)
      value = record.list;
    else if constexpr (std::is_enum_v<Value>)  // a newer writer's words are all one behind ours
      value = static_cast<Value>(std::min<uint64_t>(record.numbers[static_cast<size_t>(place)],
                                                    std::size(trace::names_of(Value{}))));
    else
      value = static_cast<Value>(record.numbers[static_cast<size_t>(place)]);
  });
  return event;
}

// Calls listener.on(event, record) if the listener has one for this kind of event.
template <class Listener, class... Events>
void hand_over(const Record& record, Listener& listener, const std::variant<Events...>*) {
  const auto try_one = [&]<class E>() {
    if constexpr (requires(const E& event) { listener.on(event, record); })
      if (const auto event = TraceReader::as<E>(record)) listener.on(*event, record);
  };
  (try_one.template operator()<Events>(), ...);
}
template <class Listener>
void hand_over(const Record& record, Listener& listener) {
  hand_over(record, listener, static_cast<const trace::Event*>(nullptr));
}

}  // namespace spillway::tools
