// SPDX-License-Identifier: Apache-2.0
#include "tests/bench/models.h"

#include <stdexcept>

namespace bench {
namespace {

constexpr uint64_t kElement = 4;

class Maker {
 public:
  void weight(uint64_t elements) { layer_.weights.push_back(elements * kElement); }
  void linear(uint64_t in, uint64_t out) {
    weight(in * out);
    weight(out);
  }
  void norm(uint64_t width) {
    weight(width);
    weight(width);
  }
  void conv(uint64_t in, uint64_t out, uint64_t kernel) {
    weight(in * out * kernel * kernel);
    weight(out);
  }
  void keep(uint64_t elements) { layer_.activations.push_back(elements * kElement); }
  void end_layer() {
    model_.push_back(std::move(layer_));
    layer_ = {};
  }
  Model take() { return std::move(model_); }

 private:
  Layer layer_;
  Model model_;
};

constexpr uint64_t kText = 768, kTokens = 77;

void residual(Maker& m, uint64_t in, uint64_t out, uint64_t base, uint64_t places) {
  m.norm(in);
  m.conv(in, out, 3);
  m.linear(4 * base, out);  // the time step
  m.norm(out);
  m.conv(out, out, 3);
  if (in != out) m.conv(in, out, 1);
  m.keep(places * in);  // normalised
  for (int i = 0; i < 4; i++) m.keep(places * out);
  m.end_layer();
}

void transformer(Maker& m, uint64_t width, uint64_t batch, uint64_t places) {
  m.norm(width);
  m.conv(width, width, 1);
  for (int i = 0; i < 4; i++) m.weight(width * width);  // to itself: q, k, v, out
  m.weight(width * width);                              // to the text: q
  m.weight(kText * width);                              // k
  m.weight(kText * width);                              // v
  m.linear(width, width);
  m.linear(width, 8 * width);
  m.linear(4 * width, width);
  m.conv(width, width, 1);
  for (int i = 0; i < 9; i++) m.keep(places * width);
  for (int i = 0; i < 2; i++) m.keep(batch * kTokens * width);
  m.keep(places * 8 * width);
  m.keep(places * 4 * width);
  m.end_layer();
}

}  // namespace

Model gpt2(uint64_t layers, uint64_t width, uint64_t heads, uint64_t batch) {
  constexpr uint64_t kVocabulary = 50257, kContext = 1024;
  const uint64_t tokens = batch * kContext;
  Maker m;
  m.weight(kVocabulary * width);
  m.weight(kContext * width);
  m.keep(tokens * width);
  m.end_layer();
  for (uint64_t i = 0; i < layers; i++) {
    m.norm(width);
    m.linear(width, 3 * width);
    m.linear(width, width);
    m.norm(width);
    m.linear(width, 4 * width);
    m.linear(4 * width, width);
    m.keep(tokens * width);                       // normalised
    m.keep(tokens * 3 * width);                   // q, k, v
    m.keep(batch * heads * kContext * kContext);  // probabilities
    m.keep(tokens * width);                       // attention
    m.keep(tokens * width);                       // sum
    m.keep(tokens * width);                       // normalised
    m.keep(tokens * 4 * width);                   // before the activation function
    m.keep(tokens * 4 * width);                   // and after
    m.keep(tokens * width);                       // sum
    m.end_layer();
  }
  m.norm(width);
  m.keep(tokens * width);
  m.keep(tokens * kVocabulary);  // logits; their weight is the embedding
  m.end_layer();
  return m.take();
}

Model unet(uint64_t channels, uint64_t batch) {
  constexpr uint64_t kLatent = 64, kBlocks = 2;
  constexpr uint64_t kTimes[] = {1, 2, 4, 4};
  constexpr int kLevels = 4, kAttending = 3;
  const auto places = [&](int level) { return batch * (kLatent >> level) * (kLatent >> level); };
  Maker m;
  m.linear(channels, 4 * channels);
  m.linear(4 * channels, 4 * channels);
  m.conv(4, channels, 3);
  m.keep(places(0) * channels);
  m.end_layer();
  uint64_t width = channels;
  std::vector<uint64_t> skips{channels};
  for (int level = 0; level < kLevels; level++) {
    for (uint64_t block = 0; block < kBlocks; block++) {
      residual(m, width, kTimes[level] * channels, channels, places(level));
      width = kTimes[level] * channels;
      if (level < kAttending) transformer(m, width, batch, places(level));
      skips.push_back(width);
    }
    if (level + 1 == kLevels) break;
    m.conv(width, width, 3);
    m.keep(places(level + 1) * width);
    m.end_layer();
    skips.push_back(width);
  }
  residual(m, width, width, channels, places(kLevels - 1));
  transformer(m, width, batch, places(kLevels - 1));
  residual(m, width, width, channels, places(kLevels - 1));
  for (int level = kLevels - 1; level >= 0; level--) {
    for (uint64_t block = 0; block <= kBlocks; block++) {
      residual(m, width + skips.back(), kTimes[level] * channels, channels, places(level));
      skips.pop_back();
      width = kTimes[level] * channels;
      if (level < kAttending) transformer(m, width, batch, places(level));
    }
    if (level == 0) break;
    m.conv(width, width, 3);
    m.keep(places(level - 1) * width);
    m.end_layer();
  }
  m.norm(width);
  m.conv(width, 4, 3);
  m.keep(places(0) * width);
  m.end_layer();
  return m.take();
}

Model model(const std::string& name) {
  if (name == "gpt") return gpt2(12, 768, 12, 1);
  if (name == "unet") return unet(128, 4);
  throw std::invalid_argument("no model " + name);
}

uint64_t footprint(const Model& model) {
  uint64_t bytes = 0;
  for (const Layer& layer : model) {
    for (const uint64_t weight : layer.weights) bytes += kCopiesOfWeights * weight;
    for (const uint64_t activation : layer.activations) bytes += activation;
  }
  return bytes;
}

}  // namespace bench
