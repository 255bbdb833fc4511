// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "tests/random/generator.h"
#include "tests/random/kernels.h"

namespace random_program {

// Few elements whatever the size: a launch costs well under a millisecond on one core.
void Generator::shape_threads(Launch* launch) {
  const uint32_t touched = static_cast<uint32_t>(random_.between(500, 6000));
  launch->stride = std::max<uint32_t>(1, launch->elements / touched) | 1;
  launch->grid = static_cast<unsigned>(random_.between(1, 8));
  launch->block = 128;
  launch->salt = static_cast<uint32_t>(random_.next());
  constexpr Door kDoors[] = {Door::Kernel, Door::Kernel, Door::Ex, Door::Cooperative};
  launch->door = kDoors[random_.below(4)];
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
      return std::nullopt;
  }
  std::vector<int> sources = readable_buffers();
  std::erase_if(sources, [&](int one) {
    return plan_.buffers[one].source == Source::Pitch || plan_.buffers[one].bytes < 64;
  });
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
  if (kind < 30) return make_words_launch(Kernel::Blend);
  if (kind < 42) return make_words_launch(Kernel::Blend8);
  if (kind < 60) return make_words_launch(Kernel::Bundle);
  if (kind < 65) return make_words_launch(Kernel::Wide);
  if (kind < 75) return make_words_launch(Kernel::Bytes);
  if (kind < 80) return make_words_launch(Kernel::Fill);
  if (kind < 86) return make_reduction(Kernel::Histogram);
  if (kind < 92) return make_reduction(Kernel::BlockSums);
  const auto pitched = pick_own_buffer(true);
  if (!pitched) return make_words_launch(Kernel::Blend);
  Launch launch;
  launch.kernel = Kernel::Rows;
  launch.arguments = {{Space::Device, *pitched, 0, plan_.buffers[*pitched].bytes, true}};
  launch.elements = static_cast<uint32_t>(plan_.buffers[*pitched].bytes);
  shape_threads(&launch);
  return launch;
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
