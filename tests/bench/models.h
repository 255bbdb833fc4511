// SPDX-License-Identifier: Apache-2.0
// The tensors of two published kinds of model in training, in bytes, by formula from their
// configurations: what an allocator has to fit into a budget. Four bytes an element; for each
// weight there are a gradient and the two moments of Adam.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace bench {

struct Layer {
  std::vector<uint64_t> weights;
  std::vector<uint64_t> activations;  // kept from the forward to the backward pass
};
using Model = std::vector<Layer>;

constexpr int kCopiesOfWeights = 4;  // weight, gradient, first and second moment

// GPT-2: `layers` blocks of width `width` with `heads` heads, vocabulary 50,257, context 1,024.
Model gpt2(uint64_t layers, uint64_t width, uint64_t heads, uint64_t batch);
// The U-Net of Stable Diffusion 1.x (two residual blocks a level, channels x 1, 2, 4, 4,
// transformers on the first three levels, text of 768) over latents of 64 x 64; attention keeps no
// probabilities.
Model unet(uint64_t channels, uint64_t batch);

// "gpt": GPT-2 small, batch 1. "unet": 128 channels instead of 320, batch 4. Sized so that a
// machine without a GPU can really hold their bytes.
Model model(const std::string& name);

uint64_t footprint(const Model& model);

}  // namespace bench
