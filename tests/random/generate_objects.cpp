// SPDX-License-Identifier: Apache-2.0
// Objects of the driver that kernels get instead of an address: textures over linear memory, and
// surfaces over arrays.
#include <algorithm>

#include "tests/random/generator.h"

namespace random_program {

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
