// SPDX-License-Identifier: Apache-2.0
// Transformers in training (GPT-3 table 2.1 of Brown et al. 2020 for the shapes; BERT-large of
// Devlin et al. 2019) and in inference. Of a layer, 34 bytes of activations a token and unit of
// width are kept (Korthikanti et al. 2022, without attention probabilities, as FlashAttention has
// none).
#include "tests/workloads/transformer.h"

#include <vector>

#include "tests/workloads/maker.h"

namespace workloads {

namespace {

struct Layer {
  Weight qkv, projection, up, down;
};

// What a layer keeps from its forward to its backward pass.
struct Kept {
  uint32_t qkv = Maker::kNone, attention = Maker::kNone, up = Maker::kNone, gelu = Maker::kNone,
           norms = Maker::kNone;
  void free(Maker& maker) {
    for (const uint32_t tensor : {qkv, attention, up, gelu, norms}) maker.free(tensor);
    *this = {};
  }
};

class Transformer {
 public:
  Transformer(Maker& maker, const Shape& shape)
      : maker_(maker), shape_(shape), width_(shape.width), tokens_(shape.tokens) {
    for (int l = 0; l < shape.layers; l++)
      layers_.push_back(
          {Weight::make(maker, 3 * width_ * width_), Weight::make(maker, width_ * width_),
           Weight::make(maker, 4 * width_ * width_), Weight::make(maker, 4 * width_ * width_)});
    embedding_ = Weight::make(maker, shape.vocabulary * width_);
  }

  void iteration() {
    for (int batch = 0; batch < shape_.micro_batches; batch++) micro_batch();
    for (Layer& layer : layers_)
      for (Weight* weight : {&layer.qkv, &layer.projection, &layer.up, &layer.down})
        weight->step(maker_);
    embedding_.step(maker_);
  }

 private:
  double gemm(const Weight& weight) const { return 2 * weight.elements * tokens_; }
  double attention_flops() const { return 4 * tokens_ * shape_.sequence * width_ / 2; }
  uint32_t activation(double bytes_an_element) {
    return maker_.tensor(bytes_an_element * tokens_ * width_);
  }

  void forward(Layer& layer, uint32_t in, uint32_t out, Kept& kept) {
    kept.norms = activation(4);
    maker_.kernel("norm", 0, {Maker::r(in), Maker::w(kept.norms)});
    kept.qkv = activation(6);
    maker_.kernel("qkv", gemm(layer.qkv),
                  {Maker::r(kept.norms), Maker::r(layer.qkv.half), Maker::w(kept.qkv)});
    kept.attention = activation(2);
    maker_.kernel("attention", attention_flops(), {Maker::r(kept.qkv), Maker::w(kept.attention)});
    maker_.kernel(
        "project", gemm(layer.projection),
        {Maker::r(kept.attention), Maker::r(layer.projection.half), Maker::r(in), Maker::w(out)});
    kept.up = activation(8);
    maker_.kernel("up", gemm(layer.up),
                  {Maker::r(out), Maker::r(layer.up.half), Maker::w(kept.up)});
    kept.gelu = activation(8);
    maker_.kernel("gelu", 0, {Maker::r(kept.up), Maker::w(kept.gelu)});
    maker_.kernel("down", gemm(layer.down),
                  {Maker::r(kept.gelu), Maker::r(layer.down.half), Maker::rw(out)});
  }

  void backward(Layer& layer, uint32_t in, uint32_t gradient, Kept& kept) {
    for (Weight* weight : {&layer.down, &layer.up, &layer.projection, &layer.qkv})
      weight->begin_gradient(maker_);
    const uint32_t wide = activation(8), narrow = activation(6);
    const auto product = [&](const char* name, Weight& weight, uint32_t saved, uint32_t from,
                             uint32_t to) {
      maker_.kernel(std::string(name) + "_data", gemm(weight),
                    {Maker::r(from), Maker::r(weight.half), Maker::w(to)});
      maker_.kernel(std::string(name) + "_weight", gemm(weight),
                    {Maker::r(from), Maker::r(saved), Maker::rw(weight.gradient)});
    };
    product("down", layer.down, kept.gelu, gradient, wide);
    maker_.kernel("gelu_back", 0, {Maker::r(kept.up), Maker::rw(wide)});
    product("up", layer.up, kept.norms, wide, narrow);
    maker_.kernel("norm_back", 0, {Maker::r(kept.norms), Maker::r(narrow), Maker::rw(gradient)});
    product("project", layer.projection, kept.attention, gradient, narrow);
    maker_.kernel(
        "attention_back", 2.5 * attention_flops(),
        {Maker::r(kept.qkv), Maker::r(kept.attention), Maker::rw(narrow), Maker::w(wide)});
    product("qkv", layer.qkv, kept.norms, wide, narrow);
    maker_.kernel("norm_back", 0, {Maker::r(in), Maker::r(narrow), Maker::rw(gradient)});
    maker_.free(wide);
    maker_.free(narrow);
    kept.free(maker_);
  }

  void micro_batch() {
    const size_t n = layers_.size();
    std::vector<uint32_t> edges(n + 1);
    std::vector<Kept> kept(n);
    edges[0] = activation(2);
    maker_.kernel("embed", 0, {Maker::r(embedding_.half), Maker::w(edges[0])});
    for (size_t l = 0; l < n; l++) {
      edges[l + 1] = activation(2);
      forward(layers_[l], edges[l], edges[l + 1], kept[l]);
      if (shape_.checkpointed) kept[l].free(maker_);
    }
    const uint32_t logits = maker_.tensor(2 * tokens_ * shape_.vocabulary);
    maker_.kernel("head", gemm(embedding_),
                  {Maker::r(edges[n]), Maker::r(embedding_.half), Maker::w(logits)});
    maker_.kernel("loss", 0, {Maker::rw(logits)});
    const uint32_t gradient = activation(2);
    embedding_.begin_gradient(maker_);
    maker_.kernel("head_data", gemm(embedding_),
                  {Maker::r(logits), Maker::r(embedding_.half), Maker::w(gradient)});
    maker_.kernel("head_weight", gemm(embedding_),
                  {Maker::r(logits), Maker::r(edges[n]), Maker::rw(embedding_.gradient)});
    maker_.free(logits);
    maker_.free(edges[n]);
    for (size_t l = n; l-- > 0;) {
      if (shape_.checkpointed) {
        const uint32_t again = activation(2);
        forward(layers_[l], edges[l], again, kept[l]);
        maker_.free(again);
      }
      backward(layers_[l], edges[l], gradient, kept[l]);
      maker_.free(edges[l]);
    }
    maker_.kernel("embed_back", 0, {Maker::r(gradient), Maker::rw(embedding_.gradient)});
    maker_.free(gradient);
  }

  Maker& maker_;
  const Shape shape_;
  const double width_, tokens_;
  std::vector<Layer> layers_;
  Weight embedding_;
};

}  // namespace

spillway::policy::Workload train(const Shape& shape, int iterations) {
  Maker maker(shape.name);
  Transformer transformer(maker, shape);
  for (int i = 0; i < iterations; i++) {
    maker.iteration();
    transformer.iteration();
  }
  return maker.take();
}

// Weights of 30 billion parameters (60 GB) in 60 layers; 32 sequences of 2048 tokens are taken in,
// then 16 tokens of each are decoded, one pass over all weights each.
spillway::policy::Workload infer(int iterations) {
  constexpr double kWidth = 6656, kSequences = 32, kPrompt = 2048;
  constexpr int kLayers = 60, kDecoded = 16;
  Maker maker("inference-30b");
  std::vector<uint32_t> attention, mlp, cache;
  for (int l = 0; l < kLayers; l++) {
    attention.push_back(maker.tensor(2 * 4 * kWidth * kWidth));
    mlp.push_back(maker.tensor(2 * 8 * kWidth * kWidth));
    cache.push_back(maker.tensor(2 * 2 * kWidth * kSequences * (kPrompt + kDecoded) / 8));
  }
  const auto pass = [&](double tokens) {
    const uint32_t x = maker.tensor(2 * tokens * kWidth), wide = maker.tensor(8 * tokens * kWidth);
    for (int l = 0; l < kLayers; l++) {
      maker.kernel("qkv", 6 * kWidth * kWidth * tokens,
                   {Maker::r(x), Maker::r(attention[l]), Maker::rw(cache[l])});
      maker.kernel("attend", 4 * tokens * kPrompt * kWidth, {Maker::r(cache[l]), Maker::rw(x)});
      maker.kernel("mlp", 16 * kWidth * kWidth * tokens,
                   {Maker::r(mlp[l]), Maker::w(wide), Maker::rw(x)});
    }
    maker.free(x);
    maker.free(wide);
  };
  for (int i = 0; i < iterations; i++) {
    maker.iteration();
    pass(kSequences * kPrompt / 8);
    for (int token = 0; token < kDecoded; token++) pass(kSequences);
  }
  return maker.take();
}

}  // namespace workloads
