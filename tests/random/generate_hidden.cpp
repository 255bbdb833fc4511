// SPDX-License-Identifier: Apache-2.0
// Addresses where no launch argument shows them: in tables, in lists, in a module's variable. Few
// buffers, since they do not move meanwhile.
#include <algorithm>

#include "tests/random/generator.h"

namespace random_program {

bool Generator::is_named(int buffer) const {
  for (const auto* holder : {&in_table_, &in_global_}) {
    if (!*holder) continue;
    for (const Access& target : (*holder)->targets) {
      if (target.index == buffer) return true;
    }
  }
  return std::any_of(textures_.begin(), textures_.end(),
                     [&](const auto& one) { return one.second.index == buffer; });
}

// Up to three buffers with as many words each, behind a header.
std::vector<Access> Generator::choose_targets(size_t header) {
  const auto fits = [&](int one) {
    return plan_.buffers[one].bytes >= 128 && plan_.buffers[one].source != Source::Pitch;
  };
  std::vector<int> buffers;
  for (int buffer : own_buffers()) {
    if (hidden_.count(buffer) != 0 && fits(buffer) && random_.percent(70))
      buffers.push_back(buffer);
  }
  if (hidden_.size() < 3) {
    if (const auto fresh = pick_own_buffer(false); fresh && fits(*fresh)) buffers.push_back(*fresh);
  }
  std::sort(buffers.begin(), buffers.end());
  buffers.erase(std::unique(buffers.begin(), buffers.end()), buffers.end());
  if (buffers.size() > 3) buffers.resize(3);
  std::vector<Access> targets;
  size_t bytes = ~size_t{0};
  for (int buffer : buffers) {
    const size_t offset = random_.below(plan_.buffers[buffer].bytes / 64) * 16;
    targets.push_back({Space::Device, buffer, offset, 0, true});
    bytes = std::min(bytes, plan_.buffers[buffer].bytes - offset);
  }
  for (Access& target : targets) {
    target.bytes = (bytes - header) / kWord * kWord + header;
    hidden_.insert(target.index);
  }
  return targets;
}

// A list that is one node becomes, now and then, one of two nodes in the same buffer.
void Generator::share_among_nodes(std::vector<Access>* nodes) {
  constexpr size_t kAlign = 16;
  if (nodes->size() != 1 || (*nodes)[0].bytes < 128) return;
  if ((*nodes)[0].offset / kAlign % 2 == 0) return;
  Access& first = (*nodes)[0];
  first.bytes = first.bytes / 2 / kAlign * kAlign;
  Access second = first;
  second.offset += first.bytes;
  nodes->push_back(second);
}

void Generator::add_table() {
  if (!tables_.empty()) return;
  const int table = static_cast<int>(plan_.buffers.size());
  plan_.buffers.push_back({Source::Plain, random_.percent(50) ? kServed : 4096, 0, 0, here_});
  live_.push_back(table);
  owner_[table] = thread_;
  tables_.insert(table);
  emit(here_, Allocate{table});
}

// The holder goes, or something else is put there: what it named may be freed from then on.
void Generator::lose_addresses() {
  if (tables_.empty() || !in_table_) return;
  const int table = *tables_.begin();
  const Access all{Space::Device, table, 0, plan_.buffers[table].bytes, true};
  in_table_.reset();
  if (random_.percent(50)) {
    Set set{all, 1, 0, all.bytes, 1, 0, true};
    return submit(pick_stream(), set, {all});
  }
  emit(here_, Release{table, false});
  tables_.erase(table);
  forget(table);
}

void Generator::hidden_addresses() {
  if (!alone_ || here_ != 0) return;
  abroad_ = false;
  const size_t kind = random_.below(10);
  Launch launch;
  std::optional<StoreAddresses> store;
  if (kind < 2) return lose_addresses();
  if (kind < 4) {
    // Each node holds the address of the next one.
    store.emplace();
    store->holder = Holder::List;
    launch.kernel = Kernel::FollowList;
    launch.arguments = choose_targets(16);
    share_among_nodes(&launch.arguments);
    for (Access node : launch.arguments) {
      node.bytes = 16;
      store->targets.push_back(node);
    }
    if (launch.arguments.empty()) return;
    choose_storer(&*store);
    launch.elements = static_cast<uint32_t>((launch.arguments[0].bytes - 16) / kWord);
    return follow(launch, store);
  }
  const bool global = kind < 6;
  std::optional<StoreAddresses>& held = global ? in_global_ : in_table_;
  // What was stored long ago is still there.
  if (!held || random_.percent(60)) {
    store.emplace();
    store->holder = global ? Holder::Global : Holder::Table;
    store->targets = choose_targets(0);
    if (store->targets.empty()) return;
    if (global) {
      store->targets.resize(1);
    } else {
      add_table();
      store->copied = random_.percent(30);
      store->table = {Space::Device, *tables_.begin(), random_.below(16) * 8,
                      8 * store->targets.size(), true};
    }
    choose_storer(&*store);
    held = store;
  }
  launch.kernel = global ? Kernel::ThroughGlobal : Kernel::ThroughTable;
  launch.arguments = held->targets;
  launch.elements = static_cast<uint32_t>(held->targets[0].bytes / kWord);
  if (!global) {
    launch.arguments.insert(launch.arguments.begin(), held->table);
    launch.arguments[0].write = false;
  }
  follow(launch, store);
}

// The module's global is in no table of regions; the legacy stream and a wait order its users.
void Generator::follow(Launch launch, const std::optional<StoreAddresses>& store) {
  shape_threads(&launch);
  wait_for_all();
  if (store && store->by_kernel) return follow_kernel(launch, *store);
  if (store) store_in_order(here_, here_, *store);
  submit(here_, launch, launch.arguments);
  if (store) wipe_list(here_, *store);
  wait_for_all();
}

// Addresses are others in every run: those in the buffers themselves go before anybody looks.
void Generator::wipe_list(int stream, const StoreAddresses& store) {
  if (store.holder != Holder::List) return;
  for (const Access& node : store.targets) {
    Set wipe{node, kWord, static_cast<uint32_t>(random_.next()), node.bytes / kWord, 1, 0, true};
    submit(stream, wipe, {node});
  }
}

}  // namespace random_program
