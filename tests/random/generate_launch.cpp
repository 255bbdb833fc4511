// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "tests/random/generator.h"
#include "tests/random/kernels.h"

namespace random_program {

// Few elements whatever the size: a launch costs well under a millisecond on one core.
// A kernel that writes a part of it.
Launch Generator::fill_of(int buffer) {
  Launch fill;
  fill.arguments = {part_of(buffer, kWord, true)};
  fill.elements = static_cast<uint32_t>(fill.arguments[0].bytes / kWord);
  shape_threads(&fill);
  return fill;
}

void Generator::shape_threads(Launch* launch) {
  const uint32_t touched = static_cast<uint32_t>(random_.between(500, 6000));
  launch->stride = std::max<uint32_t>(1, launch->elements / touched) | 1;
  launch->grid = static_cast<unsigned>(random_.between(1, 8));
  launch->block = 128;
  launch->salt = static_cast<uint32_t>(random_.next());
  constexpr Door kDoors[] = {Door::Kernel, Door::Kernel,      Door::Kernel,
                             Door::Ex,     Door::Cooperative, Door::ExCooperative};
  launch->door = kDoors[random_.below(6)];
  // cuLaunchCooperativeKernel has no `extra`.
  if (launch->door != Door::Cooperative && random_.percent(30)) launch->packing = Packing::Extra;
}

// Kernels in which word i of the output depends on word i of every input.
std::optional<Launch> Generator::make_words_launch(Kernel kernel) {
  const size_t unit = kernel == Kernel::Bytes ? 1 : kWord;
  const auto out = pick_own_buffer(false);
  if (!out || plan_.buffers[*out].bytes < 64) return std::nullopt;
  Launch launch;
  launch.kernel = kernel;
  launch.arguments = {part_of(*out, unit, true)};
  size_t inputs = 0;
  switch (kernel) {
    case Kernel::Fill:
      inputs = 0;
      break;
    case Kernel::Bytes:
      inputs = 1;
      break;
    case Kernel::Blend:
    case Kernel::Packed4:
    case Kernel::Packed1:
      inputs = 2;
      break;
    case Kernel::Blend8:
      inputs = 7;
      break;
    case Kernel::Bundle:
      inputs = random_.between(1, kBundleInputs);
      break;
    case Kernel::Wide:
      inputs = random_.between(30, kWideInputs);
      break;
    case Kernel::Histogram:
    case Kernel::BlockSums:
    case Kernel::Rows:
    case Kernel::ThroughTable:
    case Kernel::ThroughGlobal:
    case Kernel::BarrierSums:
    case Kernel::FollowList:
    case Kernel::Sample:
    case Kernel::Surface:
    case Kernel::StoreAddresses:
    case Kernel::LinkNodes:
    case Kernel::StoreGlobal:
    case Kernel::BlendTiles:
    case Kernel::Dependent:
    case Kernel::Decide:
    case Kernel::CountRounds:
    case Kernel::CountDown:
    case Kernel::Retune:
      return std::nullopt;
  }
  std::vector<int> sources = readable_buffers();
  keep_linear(&sources, 64);
  // A few distinct ones, or nearly every launch would need everything at once.
  const size_t distinct = random_.percent(10) ? sources.size() : random_.between(1, 4);
  while (sources.size() > distinct) {
    sources.erase(sources.begin() + static_cast<long>(random_.below(sources.size())));
  }
  size_t elements = launch.arguments[0].bytes / unit;
  for (int source : sources) elements = std::min(elements, plan_.buffers[source].bytes / unit);
  launch.elements = static_cast<uint32_t>(elements);
  launch.arguments[0].bytes = elements * unit;
  for (size_t i = 0; i < inputs; ++i) {
    Access input{Space::Device, random_.one_of(sources), 0, elements * unit, false};
    const size_t room = plan_.buffers[input.index].bytes / unit - elements;
    input.offset = random_.below(room + 1) * unit;
    // Threads may read what they write themselves, not what others write.
    if (overlap(input, launch.arguments[0])) {
      input = launch.arguments[0];
      input.write = false;
    }
    launch.arguments.push_back(input);
  }
  shape_threads(&launch);
  if (kernel == Kernel::Wide) launch.stride = launch.stride * 8 + 1;
  if (kernel == Kernel::Blend && random_.percent(60)) {
    const std::vector<int> readable = readable_buffers();
    launch.spectator = random_.percent(50) ? Launch::Spectator::Inside : Launch::Spectator::PastEnd;
    launch.spectator_buffer = random_.one_of(readable);
  }
  return launch;
}

// Through a tensor map where that can be: its address is a multiple of sixteen, and it may show old
// bytes of what the kernel itself writes.
std::optional<Launch> Generator::make_blend() {
  std::optional<Launch> launch = make_words_launch(Kernel::Blend);
  if (!launch || plan_.compute < 90 || launch->salt % 2 == 0) return launch;
  const Access& out = launch->arguments[0];
  const Access& in = launch->arguments[1];
  constexpr size_t kLeast = kMatrixWidth * kTileHeight, kUnit = 16;
  if (launch->elements >= kLeast && in.offset % kUnit == 0 && !overlap(out, in))
    launch->kernel = Kernel::BlendTiles;
  return launch;
}

std::optional<Launch> Generator::make_reduction(Kernel kernel) {
  const auto out = pick_own_buffer(false);
  std::vector<int> sources = readable_buffers();
  std::erase_if(sources, [&](int one) {
    return (out && one == *out) || plan_.buffers[one].source == Source::Pitch ||
           plan_.buffers[one].bytes < 64;
  });
  if (!out || sources.empty() || plan_.buffers[*out].bytes < 1024) return std::nullopt;
  Launch launch;
  launch.kernel = kernel;
  const size_t words = plan_.buffers[*out].bytes / kWord;
  launch.arguments = {{Space::Device, *out, random_.below(words - 255) * kWord, 1024, true},
                      part_of(random_.one_of(sources), kWord, false)};
  launch.elements = static_cast<uint32_t>(launch.arguments[1].bytes / kWord);
  shape_threads(&launch);
  return launch;
}

std::optional<Launch> Generator::make_launch() {
  const size_t kind = random_.below(100);
  if (kind < 3) return make_words_launch(Kernel::Packed4);
  if (kind < 6) return make_words_launch(Kernel::Packed1);
  if (kind < 30) return make_blend();
  if (kind < 42) return make_words_launch(Kernel::Blend8);
  if (kind < 60) return make_words_launch(Kernel::Bundle);
  if (kind < 65) return make_words_launch(Kernel::Wide);
  if (kind < 75) return make_words_launch(Kernel::Bytes);
  if (kind < 80) return make_words_launch(Kernel::Fill);
  if (kind < 86) return make_reduction(Kernel::Histogram);
  if (kind < 92) return make_reduction(Kernel::BlockSums);
  const auto pitched = pick_own_buffer(true);
  if (!pitched) return make_blend();
  Launch launch;
  launch.kernel = Kernel::Rows;
  launch.arguments = {{Space::Device, *pitched, 0, plan_.buffers[*pitched].bytes, true}};
  launch.elements = static_cast<uint32_t>(plan_.buffers[*pitched].bytes);
  shape_threads(&launch);
  return launch;
}

// All blocks meet in the middle, at a word that is zero before.
void Generator::launch_barrier() {
  std::optional<Launch> launch = make_reduction(Kernel::BarrierSums);
  if (!launch) return;
  launch->door = random_.percent(50) ? Door::Cooperative : Door::ExCooperative;
  launch->packing = Packing::Params;
  const int stream = pick_stream();
  Set set;
  set.target = launch->arguments[0];
  set.target.bytes = kWord;
  set.width = 1;
  set.element = kWord;
  set.async = true;
  submit(stream, set, {set.target});
  submit(stream, *launch, launch->arguments);
}

// `running`: what may still be in use when it begins.
std::optional<Launch> Generator::make_dependent(const std::vector<Access>& running) {
  std::vector<int> own = own_buffers(), sources = readable_buffers();
  keep_linear(&own, 1024);
  keep_linear(&sources, 1024);
  if (own.size() < 2 || sources.empty()) return std::nullopt;
  Launch launch;
  launch.kernel = Kernel::Dependent;
  launch.arguments = {part_of(random_.one_of(own), kWord, true),
                      part_of(random_.one_of(sources), kWord, false),
                      part_of(random_.one_of(own), kWord, true)};
  size_t bytes = launch.arguments[0].bytes;
  for (const Access& access : launch.arguments) bytes = std::min(bytes, access.bytes);
  for (Access& access : launch.arguments) access.bytes = bytes;
  if (conflict({launch.arguments[0]}, {launch.arguments[1]}) ||
      conflict({launch.arguments[2]}, {launch.arguments[0], launch.arguments[1]}) ||
      conflict({launch.arguments[2]}, running)) {
    return std::nullopt;
  }
  launch.elements = static_cast<uint32_t>(bytes / kWord);
  shape_threads(&launch);
  launch.door = Door::Ex;
  return launch;
}

// Kernels that follow each other in a stream and begin while the one before still runs. Each lets
// the next begin after its own wait, so that it is two kernels at once and never three.
void Generator::launch_dependents() {
  std::vector<Launch> launches;
  std::vector<Access> all;
  const size_t wanted = random_.between(2, 4);
  for (size_t tries = 0; tries < 3 * wanted && launches.size() < wanted; ++tries) {
    std::optional<Launch> next =
        make_dependent(launches.empty() ? std::vector<Access>{} : launches.back().arguments);
    if (!next) continue;
    next->programmatic = !launches.empty();
    all.insert(all.end(), next->arguments.begin(), next->arguments.end());
    launches.push_back(*next);
  }
  if (launches.size() < 2) return;
  const int stream = pick_stream();
  // All waits come first: one in between would keep the kernels apart.
  order_before(stream, all);
  account(all);
  // What waits for it knows of everything before the first kernel, and of no more.
  if (random_.percent(40)) launches[0].event = event_covering(stream);
  for (const Launch& launch : launches) {
    emit(stream, launch);
    order_->submit(thread_, stream, launch.arguments);
  }
  const int other = pick_stream();
  if (launches[0].event < 0 || other == stream) return;
  emit(other, WaitEvent{launches[0].event});
  order_->wait_event(thread_, launches[0].event, other);
}

void Generator::launch() {
  const std::optional<Launch> launch = make_launch();
  if (!launch) return;
  // A spectator is no access, but the library must suppose that it is one.
  std::vector<Access> named = launch->arguments;
  if (launch->spectator != Launch::Spectator::Null) {
    named.push_back({Space::Device, launch->spectator_buffer, 0, 0, false});
  }
  account(named);
  submit(pick_stream(), *launch, launch->arguments);
}

}  // namespace random_program
