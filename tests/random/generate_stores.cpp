// SPDX-License-Identifier: Apache-2.0
// Addresses that a kernel stores. What follows them comes right behind it in the stream's order, so
// nobody has seen them by then; and no host waits, before the next operation or after it.
#include <algorithm>

#include "tests/random/generator.h"

namespace random_program {

// The host, unless a kernel can: the library looks at what the first launches of each kernel
// stored, so these must store addresses of memory that it serves; and it does not look into
// mappings of the program's own.
void Generator::choose_storer(StoreAddresses* store) const {
  const bool list = store->holder == Holder::List;
  const std::vector<Access>& targets = store->targets;
  const auto served = [&](const Access& target) { return rounded(target.index) > 0; };
  const auto mapped = [&](const Access& target) {
    return plan_.buffers[target.index].source == Source::Mapped;
  };
  // Nothing leads to the first node of a list, and nothing is stored in the last one but a null.
  if (std::none_of(targets.begin() + (list ? 1 : 0), targets.end(), served)) return;
  if (list && std::any_of(targets.begin(), targets.end() - 1, mapped)) return;
  Leftover choices(targets[0].offset / 16);
  store->by_kernel = choices.below(2) == 1;
  store->packing = choices.below(2) == 1 ? Packing::Extra : Packing::Params;
}

// One that has a name, of this context.
int Generator::some_stream(Leftover* choices) const {
  std::vector<int> own;
  for (int stream = 0; stream < static_cast<int>(plan_.streams.size()); ++stream) {
    if (stream_owner_[stream] == thread_ && plan_.streams[stream].context == here_ &&
        !has_symbols(stream))
      own.push_back(stream);
  }
  return own[choices->below(own.size())];
}

// `reader` may follow them from then on.
void Generator::store_in_order(int writer, int reader, const StoreAddresses& store) {
  std::vector<Access> touched = accesses(Work{store});
  // All of it: it is put at another place first.
  if (store.copied) touched[0] = {Space::Device, touched[0].index, 0, 4096, true};
  submit(writer, store, touched);
  if (writer == reader) return;
  const int event = static_cast<int>(plan_.events.size());
  plan_.events.push_back(here_);
  emit(writer, Record{event});
  order_->record(thread_, event, writer);
  emit(reader, WaitEvent{event});
  order_->wait_event(thread_, event, reader);
}

// Writes a little all over everything else, so that what the addresses lead to is what was not used
// for longest.
void Generator::press_others(int stream, const StoreAddresses& store) {
  for (int buffer : own_buffers()) {
    const auto same = [&](const Access& target) { return target.index == buffer; };
    if (rounded(buffer) == 0 || plan_.buffers[buffer].source == Source::Pitch ||
        std::any_of(store.targets.begin(), store.targets.end(), same))
      continue;
    constexpr uint32_t kTouched = 500;
    const size_t words = plan_.buffers[buffer].bytes / kWord;
    Launch fill;
    fill.arguments = {{Space::Device, buffer, 0, words * kWord, true}};
    fill.elements = static_cast<uint32_t>(words);
    fill.stride = fill.elements / kTouched | 1;
    fill.salt = static_cast<uint32_t>(store.targets[0].offset);
    submit(stream, fill, fill.arguments);
  }
}

// All is over when it begins.
void Generator::follow_kernel(Launch launch, const StoreAddresses& store) {
  Leftover choices(launch.salt);
  const int writer = some_stream(&choices), reader = some_stream(&choices);
  store_in_order(writer, reader, store);
  if (choices.below(4) > 0) press_others(reader, store);
  submit(reader, launch, launch.arguments);
  switch (store.holder) {
    case Holder::Global:
      return wait_for_all();
    case Holder::List:
      return wipe_list(reader, store);
    case Holder::Table:
      if (choices.below(3) > 0) follow_in_passing(launch, store, reader, &choices);
      return;
  }
}

// The same once more by a table that is freed, or overwritten and freed, as soon as the kernel that
// follows it is submitted: in the stream's order, so that the addresses are gone for everybody but
// that kernel.
void Generator::follow_in_passing(Launch launch, StoreAddresses store, int reader,
                                  Leftover* choices) {
  constexpr Source kSources[] = {Source::Async, Source::DefaultPool, Source::OwnPool};
  const Source source = kSources[choices->below(3)];
  const Access all{Space::Device, static_cast<int>(plan_.buffers.size()), 0,
                   choices->below(2) == 1 ? kServed : 4096, true};
  const int table = all.index;
  plan_.buffers.push_back({source, all.bytes, 0, 0, here_});
  live_.push_back(table);
  owner_[table] = thread_;
  tables_.insert(table);
  order_->allocate(table);
  const int writer = some_stream(choices);
  submit_memory(writer, Allocate{table}, all);
  store.table.index = launch.arguments[0].index = table;
  store.copied = choices->below(3) == 0;
  store_in_order(writer, reader, store);
  if (choices->below(2) == 1) press_others(reader, store);
  launch.salt += 1;
  submit(reader, launch, launch.arguments);
  if (choices->below(2) == 1) {
    const Set wipe{all, 1, 0, all.bytes, 1, 0, true};
    submit(reader, wipe, {all});
  }
  submit_memory(reader, Release{table, true}, all);
  tables_.erase(table);
  forget(table);
}

}  // namespace random_program
