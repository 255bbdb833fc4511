// SPDX-License-Identifier: Apache-2.0
// Transformers of the GPT and BERT families. Left out: biases and what else is under 2 MiB,
// dropout, positions, and BERT's order of normalisation, which costs what GPT's does.
#include <vector>

#include "tests/workloads/generators.h"
#include "tests/workloads/net.h"

namespace workloads {
namespace {

enum class Attention : uint8_t {
  Fused,  // keeps no probabilities
  Plain,
};

struct Shape {
  const char* name;
  uint64_t layers, width, heads, vocabulary, context;
  Attention attention = Attention::Fused;
};

// GPT-3's, with the vocabulary of GPT-2 filled up to a multiple of 128, as Megatron-LM has it.
constexpr Shape kGpt1b3{"gpt-1.3b", 24, 2048, 16, 50'304, 2048};
constexpr Shape kGpt6b7{"gpt-6.7b", 32, 4096, 32, 50'304, 2048};
constexpr Shape kGpt13b{"gpt-13b", 40, 5120, 40, 50'304, 2048};
constexpr Shape kBertLarge{"bert-large", 24, 1024, 16, 30'522, 512, Attention::Plain};

struct Layer {
  Parameter &qkv, &projection, &up, &down;
};

class Transformer {
 public:
  Transformer(const Shape& shape, Optimizer optimizer)
      : shape_(shape),
        job_(shape.name),
        net_(job_, optimizer),
        words_(net_.parameter(shape.width, shape.vocabulary)) {
    const uint64_t width = shape.width;
    for (uint64_t i = 0; i < shape.layers; ++i) {
      Parameter& qkv = net_.parameter(width, 3 * width);
      Parameter& projection = net_.parameter(width, width);
      Parameter& up = net_.parameter(width, 4 * width);
      Parameter& down = net_.parameter(4 * width, width);
      layers_.push_back({qkv, projection, up, down});
    }
  }

  void mark() { job_.iteration(); }
  Workload take() { return job_.take(); }

  // A step on `batches` times `tokens`.
  void train(uint64_t tokens, unsigned batches = 1, bool checkpoints = false) {
    for (unsigned i = 0; i < batches; ++i) {
      forward(tokens, checkpoints);
      net_.backward();
    }
    net_.step();
  }

  void evaluate(uint64_t tokens, unsigned batches) {
    net_.without_gradients([&] {
      for (unsigned i = 0; i < batches; ++i) forward(tokens, false);
    });
  }

  // Answers `requests` of `prompt` tokens each with `words` more.
  void answer(uint64_t requests, uint64_t prompt, unsigned words) {
    net_.without_gradients([&] {
      std::vector<Tensor> caches;
      const uint64_t bytes = requests * (prompt + words) * 2 * shape_.width * kElement;
      for (size_t i = 0; i < layers_.size(); ++i) caches.push_back(job_.make(bytes));
      infer(requests, prompt, prompt, caches);
      for (unsigned i = 1; i <= words; ++i) infer(requests, 1, prompt + i, caches);
    });
  }

 private:
  void forward(uint64_t tokens, bool checkpoints) {
    Variable x = net_.lookup(words_, tokens);
    for (Layer& layer : layers_) {
      const auto block = [&](const Variable& from) {
        return feed_forward(attend(from, layer), layer);
      };
      x = checkpoints ? net_.checkpoint(x, block) : block(x);
    }
    x = net_.map("norm", x);
    x = net_.linear(x, words_);
    net_.loss(x);
  }

  Variable attend(const Variable& from, Layer& layer) {
    Variable x = net_.map("norm", from);
    x = net_.linear(x, layer.qkv);
    x = shape_.attention == Attention::Fused ? fused_attention(x) : plain_attention(x);
    x = net_.linear(x, layer.projection);
    return net_.add(from, x);
  }

  Variable feed_forward(const Variable& from, Layer& layer) {
    Variable x = net_.map("norm", from);
    x = net_.linear(x, layer.up);
    x = net_.map("gelu", x);
    x = net_.linear(x, layer.down);
    return net_.add(from, x);
  }

  // Of a product of all queries with all keys; or of two, when tokens look at those before them.
  double flops_of_attention(uint64_t queries, uint64_t context) const {
    return 2.0 * static_cast<double>(queries * context) * static_cast<double>(shape_.width);
  }

  Variable fused_attention(const Variable& qkv) {
    const uint64_t tokens = qkv.elements / (3 * shape_.width);
    const double flops = flops_of_attention(tokens, shape_.context);
    Variable result = net_.variable(qkv.elements / 3);
    const Tensor sums = job_.make(tokens * shape_.heads * kFloat);  // of each row's exponentials
    job_.run("attention", flops, {read(qkv.value), write(result.value), write(sums)});
    net_.record([this, qkv, result, sums, flops] {
      // Five products for two, and the gradients of queries are added up in fp32.
      const Tensor queries = job_.make(result.elements * kFloat);
      job_.run("attention_backward", 2.5 * flops,
               {read(*result.gradient), read(result.value), read(sums), read(qkv.value),
                update(queries), net_.gradient(qkv)});
    });
    return result;
  }

  Variable plain_attention(const Variable& qkv) {
    const uint64_t tokens = qkv.elements / (3 * shape_.width);
    const double flops = flops_of_attention(tokens, shape_.context);
    Variable result = net_.variable(qkv.elements / 3);
    const Variable scores = net_.variable(tokens * shape_.heads * shape_.context);
    net_.multiply("scores", flops, {read(qkv.value), write(scores.value)});
    job_.run("softmax", 0, {update(scores.value)});
    net_.multiply("mix", flops, {read(scores.value), read(qkv.value), write(result.value)});
    net_.record([this, qkv, scores, from = result.gradient, flops] {
      net_.multiply("mix_dgrad", flops, {read(*from), read(qkv.value), net_.gradient(scores)});
      net_.multiply("mix_wgrad", flops, {read(*from), read(scores.value), net_.gradient(qkv)});
      job_.run("softmax_backward", 0, {read(scores.value), update(*scores.gradient)});
      net_.multiply("scores_backward", 2 * flops, {read(*scores.gradient), net_.gradient(qkv)});
    });
    return result;
  }

  // `each` new tokens of every request, with `context` tokens to look at.
  void infer(uint64_t requests, uint64_t each, uint64_t context,
             const std::vector<Tensor>& caches) {
    Variable x = net_.lookup(words_, requests * each);
    for (size_t i = 0; i < layers_.size(); ++i) {
      Variable y = net_.map("norm", x);
      y = net_.linear(y, layers_[i].qkv);
      y = each > 1 ? fill_cache(y, caches[i], context) : use_cache(y, caches[i], context);
      y = net_.linear(y, layers_[i].projection);
      x = net_.add(x, y);
      x = feed_forward(x, layers_[i]);
    }
    x = net_.map("norm", x, requests * shape_.width);
    x = net_.linear(x, words_);
    job_.run("sample", 0, {read(x.value)});
  }

  Variable fill_cache(const Variable& qkv, const Tensor& cache, uint64_t context) {
    const uint64_t tokens = qkv.elements / (3 * shape_.width);
    Variable result = net_.variable(qkv.elements / 3);
    job_.run("attention", flops_of_attention(tokens, context),
             {read(qkv.value), write(cache), write(result.value)});
    return result;
  }

  // One token more for each request, which looks at all before it; what is written is little.
  Variable use_cache(const Variable& qkv, const Tensor& cache, uint64_t context) {
    const uint64_t requests = qkv.elements / (3 * shape_.width);
    const uint64_t bytes = requests * context * 2 * shape_.width * kElement;
    Variable result = net_.variable(qkv.elements / 3);
    job_.run("attention_cached", 2 * flops_of_attention(requests, context),
             {read(qkv.value), update(cache, bytes / 2), write(result.value)});
    return result;
  }

  const Shape shape_;
  Job job_;
  Net net_;
  Parameter& words_;
  std::vector<Layer> layers_;
};

Workload training(const Shape& shape, unsigned iterations, uint64_t tokens, unsigned batches = 1,
                  bool checkpoints = false) {
  Transformer model(shape, Optimizer::Adam);
  for (unsigned i = 0; i < iterations; ++i) {
    model.mark();
    model.train(tokens, batches, checkpoints);
  }
  return model.take();
}

constexpr uint64_t kTokens = 8192;

}  // namespace

Workload gpt_1b3_8k(unsigned iterations) {
  return training(kGpt1b3, iterations, kTokens);
}
Workload gpt_1b3_32k(unsigned iterations) {
  return training(kGpt1b3, iterations, 4 * kTokens);
}
Workload gpt_6b7_16k(unsigned iterations) {
  return training(kGpt6b7, iterations, 2 * kTokens);
}
Workload gpt_13b_32k(unsigned iterations) {
  return training(kGpt13b, iterations, 4 * kTokens);
}
Workload gpt_accumulating(unsigned iterations) {
  return training(kGpt6b7, iterations, kTokens, 4);
}
Workload gpt_checkpointing(unsigned iterations) {
  return training(kGpt6b7, iterations, 4 * kTokens, 1, true);
}
Workload gpt_long(unsigned iterations) {
  constexpr unsigned kBatches = 192;
  return training(kGpt1b3, iterations, 2048, kBatches);
}
Workload bert_large(unsigned iterations) {
  return training(kBertLarge, iterations, 32 * kBertLarge.context);
}

Workload gpt_evaluating(unsigned iterations) {
  Transformer model(kGpt1b3, Optimizer::Adam);
  for (unsigned i = 0; i < iterations; ++i) {
    model.mark();
    for (int step = 0; step < 5; ++step) model.train(kTokens);
    model.evaluate(kTokens, 2);
  }
  return model.take();
}

Workload gpt_growing(unsigned iterations) {
  Transformer model(kGpt1b3, Optimizer::Adam);
  for (unsigned i = 0; i < iterations; ++i) {
    model.mark();
    model.train(i < iterations / 2 ? kTokens : 2 * kTokens);
  }
  return model.take();
}

Workload gpt_inference(unsigned iterations) {
  Transformer model(kGpt13b, Optimizer::None);
  for (unsigned i = 0; i < iterations; ++i) {
    model.mark();
    model.answer(32, 1024, 8);
  }
  return model.take();
}

}  // namespace workloads
