// SPDX-License-Identifier: Apache-2.0
// Addresses where no launch argument shows them, put there by the host: tables, lists, a module's
// variable, textures. Few buffers, since they do not move meanwhile.
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
    for (Access node : launch.arguments) {
      node.bytes = 16;
      store->targets.push_back(node);
    }
    if (launch.arguments.empty()) return;
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
  if (store) {
    std::vector<Access> touched = accesses(Work{*store});
    // All of it: it is put at another place first.
    if (store->copied) touched[0] = {Space::Device, touched[0].index, 0, 4096, true};
    submit(here_, *store, touched);
  }
  submit(here_, launch, launch.arguments);
  if (store && store->holder == Holder::List) {
    // Addresses are others in every run: they go before anybody looks.
    for (const Access& node : store->targets) {
      Set wipe{node, kWord, static_cast<uint32_t>(random_.next()), node.bytes / kWord, 1, 0, true};
      submit(here_, wipe, {node});
    }
  }
  wait_for_all();
}

// Over linear memory: the object knows where, and a kernel gets the object only.
void Generator::texture() {
  if (!alone_ || here_ != 0) return;
  abroad_ = false;
  if (textures_.size() > 1 || (!textures_.empty() && random_.percent(40))) {
    const int texture = textures_.begin()->first;
    Access whole = textures_.begin()->second;
    whole.write = true;  // those who read through it must be over
    order_on_host({whole});
    emit(here_, DropTexture{texture});
    textures_.erase(texture);
    return;
  }
  if (textures_.empty() || random_.percent(20)) {
    const auto buffer = pick_own_buffer(false);
    if (!buffer || plan_.buffers[*buffer].bytes < 4096 || hidden_.size() > 2) return;
    const size_t bytes = plan_.buffers[*buffer].bytes / kWord * kWord;
    const Access source{Space::Device, *buffer, 0, bytes, false};
    const int texture = plan_.textures++;
    textures_[texture] = source;
    fix_on_device();
    // In stream order allocated memory must be there.
    order_on_host({{Space::Device, *buffer, 0, bytes, true}});
    emit(here_, MakeTexture{texture, source});
  }
  const auto& [texture, source] =
      *std::next(textures_.begin(), static_cast<long>(random_.below(textures_.size())));
  const auto out = pick_own_buffer(false);
  if (!out || *out == source.index || plan_.buffers[*out].bytes < 64) return;
  Launch launch;
  launch.kernel = Kernel::Sample;
  launch.texture = texture;
  launch.arguments = {part_of(*out, kWord, true), source};
  const size_t bytes = std::min(launch.arguments[0].bytes, source.bytes);
  launch.arguments[0].bytes = launch.arguments[1].bytes = bytes;
  launch.elements = static_cast<uint32_t>(bytes / kWord);
  shape_threads(&launch);
  submit(pick_stream(), launch, launch.arguments);
}

Access Generator::all_of_array(int array, bool write) const {
  const Array& one = plan_.arrays[array];
  return {Space::Array, array, 0, one.width * one.height * kWord, write};
}

// New ones are garbage too.
void Generator::fill_array(int array) {
  int host = 0;
  for (int other = 0; other < static_cast<int>(plan_.hosts.size()); ++other) {
    if (plan_.hosts[other].bytes > plan_.hosts[host].bytes) host = other;
  }
  Array& one = plan_.arrays[array];
  one.height = std::min(one.height, plan_.hosts[host].bytes / (one.width * kWord));
  Copy copy;
  copy.form = CopyForm::Rows;
  copy.to = all_of_array(array, true);
  copy.from = {Space::Host, host, 0, copy.to.bytes, false};
  copy.width = copy.from_pitch = one.width * kWord;
  copy.height = one.height;
  copy.async = true;
  submit_copy(one.context, copy);
}

// Copies into an array and out of it, and a kernel that reads and writes it through a surface.
void Generator::arrays() {
  if (!alone_) return;
  const int array = static_cast<int>(random_.below(plan_.arrays.size()));
  const Array& one = plan_.arrays[array];
  if (one.context != here_) return;
  const size_t row = one.width * kWord, bytes = row * one.height;
  std::vector<int> buffers = own_buffers();
  keep_linear(&buffers, bytes);
  if (buffers.empty()) return;
  const int buffer = random_.one_of(buffers);
  const size_t room = plan_.buffers[buffer].bytes - bytes;
  const Access memory{Space::Device, buffer, random_.below(room / kWord + 1) * kWord, bytes, false};
  if (random_.percent(40)) {
    Launch launch;
    launch.kernel = Kernel::Surface;
    launch.arguments = {all_of_array(array, true), memory};
    shape_threads(&launch);
    return submit(pick_stream(), launch, launch.arguments);
  }
  Copy copy;
  const bool into = random_.percent(40);
  copy.form = random_.percent(50) ? CopyForm::Rows : CopyForm::Volume;
  copy.to = into ? all_of_array(array, true) : memory;
  copy.from = into ? memory : all_of_array(array, false);
  copy.to.write = true;
  copy.width = row;
  copy.to_pitch = copy.from_pitch = row;
  copy.height = copy.to_rows = copy.from_rows = one.height;
  copy.async = random_.percent(60);
  submit_copy(pick_stream(), copy);
}

}  // namespace random_program
