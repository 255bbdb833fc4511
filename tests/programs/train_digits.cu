// SPDX-License-Identifier: Apache-2.0
// Trains a multilayer perceptron with Adam on the UCI handwritten digits: 64 - hidden - 64 - hidden
// - 10, cross entropy, ReLU. Every sum has a fixed order, so two runs give the same bits.
//
//   train_digits [--steps N] [--batch N] [--hidden N] [--data digits.csv] [--out weights.bin]
//
// Exit status: 0 trained, 1 wrong use or a CUDA error, 2 the GPU has not enough memory.
#include <cuda_runtime.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "mark.h"
#include "train_digits_input.h"
#include "train_digits_kernels.cuh"

namespace {

static_assert(kTile == kMultiple);
constexpr int kLogits = 16;  // classes, padded to a tile; the rest stays zero
constexpr int kBottleneck = 64;
constexpr float kLearningRate = 3e-4f;
constexpr double kMiB = 1024.0 * 1024.0;

void check(cudaError_t error, const char* what) {
  if (error == cudaSuccess) return;
  fprintf(stderr, "train_digits: %s: %s (%s)\n", what, cudaGetErrorString(error),
          cudaGetErrorName(error));
  exit(error == cudaErrorMemoryAllocation ? 2 : 1);
}

// Every device allocation of the program, so that it can say how much it uses and what is in it.
class Footprint {
 public:
  void add(size_t bytes) {
    live_ += bytes;
    ++tensors_;
    peak_ = std::max(peak_, live_);
    most_tensors_ = std::max(most_tensors_, tensors_);
  }
  void remove(size_t bytes) { live_ -= bytes, --tensors_; }
  size_t live() const { return live_; }
  size_t peak() const { return peak_; }
  int most_tensors() const { return most_tensors_; }

 private:
  size_t live_ = 0, peak_ = 0;
  int tensors_ = 0, most_tensors_ = 0;
};
Footprint footprint;

template <class T>
class Tensor {
 public:
  enum class Life { Program, Step };  // cudaMalloc, or stream-ordered

  Tensor(const char* name, size_t count, Life life = Life::Program, cudaStream_t stream = nullptr)
      : count_(count), life_(life), stream_(stream) {
    void* memory = nullptr;
    const cudaError_t error = life == Life::Program ? cudaMalloc(&memory, bytes())
                                                    : cudaMallocAsync(&memory, bytes(), stream);
    char what[160];
    snprintf(what, sizeof what, "no memory for %s (%.1f MiB) beside %.1f MiB in use", name,
             static_cast<double>(bytes()) / kMiB, static_cast<double>(footprint.live()) / kMiB);
    check(error, what);
    data_ = static_cast<T*>(memory);
    footprint.add(bytes());
  }
  ~Tensor() {
    check(life_ == Life::Program ? cudaFree(data_) : cudaFreeAsync(data_, stream_), "free");
    footprint.remove(bytes());
  }
  Tensor(const Tensor&) = delete;
  Tensor& operator=(const Tensor&) = delete;

  T* data() const { return data_; }
  size_t count() const { return count_; }
  size_t bytes() const { return count_ * sizeof(T); }
  std::vector<T> host() const {
    std::vector<T> copy(count_);
    check(cudaMemcpy(copy.data(), data_, bytes(), cudaMemcpyDeviceToHost), "copy to the host");
    return copy;
  }

 private:
  T* data_ = nullptr;
  size_t count_;
  Life life_;
  cudaStream_t stream_;
};
using Floats = Tensor<float>;
constexpr auto kStep = Floats::Life::Step;

// FNV-1a over the bytes of every tensor, in order.
class Checksum {
 public:
  template <class T>
  void add(const Tensor<T>& tensor) {
    const std::vector<T> values = tensor.host();
    const auto* bytes = reinterpret_cast<const unsigned char*>(values.data());
    for (size_t i = 0; i < tensor.bytes(); ++i) state_ = (state_ ^ bytes[i]) * 0x100000001b3ull;
  }
  unsigned long long value() const { return state_; }

 private:
  unsigned long long state_ = 0xcbf29ce484222325ull;
};

// A parameter with its gradient and Adam's two moments.
struct Parameter {
  Floats value, gradient, mean, square;
  Parameter(const char* name, size_t count)
      : value(name, count),
        gradient("a gradient", count),
        mean("Adam's first moment", count),
        square("Adam's second moment", count) {
    for (Floats* tensor : {&value, &gradient, &mean, &square})
      check(cudaMemset(tensor->data(), 0, tensor->bytes()), "memset");
  }
  void update(int step, float rate, cudaStream_t stream) {
    const float mean_left = 1.0f - std::pow(kMeanDecay, static_cast<float>(step));
    const float square_left = 1.0f - std::pow(kSquareDecay, static_cast<float>(step));
    const int quads = static_cast<int>(value.count() / 4);
    adam<<<(quads + 255) / 256, 256, 0, stream>>>(
        quads, reinterpret_cast<float4*>(value.data()),
        reinterpret_cast<const float4*>(gradient.data()), reinterpret_cast<float4*>(mean.data()),
        reinterpret_cast<float4*>(square.data()), rate / mean_left, 1.0f / square_left);
  }
};

struct Layer {
  int inputs, outputs;
  Parameter weights, bias;
  Layer(const char* name, int inputs, int outputs, int used_outputs, std::mt19937& random)
      : inputs(inputs),
        outputs(outputs),
        weights(name, static_cast<size_t>(inputs) * outputs),
        bias("a bias", outputs) {
    std::vector<float> start(weights.value.count(), 0.0f);
    const float range = std::sqrt(6.0f / static_cast<float>(inputs));
    for (int row = 0; row < inputs; ++row)
      for (int column = 0; column < used_outputs; ++column)
        start[static_cast<size_t>(row) * outputs + column] =
            range * (static_cast<float>(random()) * 0x1p-31f - 1.0f);
    check(cudaMemcpy(weights.value.data(), start.data(), weights.value.bytes(),
                     cudaMemcpyHostToDevice),
          "copy to the GPU");
  }
};

// What one batch leaves behind on its way through the network, freed when the step is over.
struct Activations {
  Floats first, second, third, logits;
  Activations(int batch, int hidden, cudaStream_t stream)
      : first("activations 1", static_cast<size_t>(batch) * hidden, kStep, stream),
        second("activations 2", static_cast<size_t>(batch) * kBottleneck, kStep, stream),
        third("activations 3", static_cast<size_t>(batch) * hidden, kStep, stream),
        logits("logits", static_cast<size_t>(batch) * kLogits, kStep, stream) {}
};

class Network {
 public:
  Network(int batch, int hidden, std::mt19937& random, cudaStream_t stream)
      : batch_(batch),
        hidden_(hidden),
        stream_(stream),
        layers_{{"weights 1", kPixels, hidden, hidden, random},
                {"weights 2", hidden, kBottleneck, kBottleneck, random},
                {"weights 3", kBottleneck, hidden, hidden, random},
                {"weights 4", hidden, kLogits, kClasses, random}},
        partial_("partial sums", static_cast<size_t>(kSplits) * batch * kBottleneck),
        row_loss_("losses", batch) {}

  void forward(const float* images, const Activations& a) {
    wide(images, layers_[0], a.first.data());
    deep(a.first.data(), layers_[1], a.second.data(), true);
    wide(a.second.data(), layers_[2], a.third.data());
    deep(a.third.data(), layers_[3], a.logits.data(), false);
  }

  // Gradients of every parameter; `deltas` has the shape of the activations.
  void backward(const float* images, const int* digits, const Activations& a,
                const Activations& deltas) {
    cross_entropy<<<(batch_ + 63) / 64, 64, 0, stream_>>>(
        batch_, kLogits, kClasses, a.logits.data(), digits, deltas.logits.data(), row_loss_.data());
    gradient(a.third.data(), layers_[3], deltas.logits.data());
    spread(deltas.logits.data(), layers_[3], a.third.data(), deltas.third.data());
    gradient(a.second.data(), layers_[2], deltas.third.data());
    gather(deltas.third.data(), layers_[2], a.second.data(), deltas.second.data());
    gradient(a.first.data(), layers_[1], deltas.second.data());
    spread(deltas.second.data(), layers_[1], a.first.data(), deltas.first.data());
    gradient(images, layers_[0], deltas.first.data());
  }

  void update(int step, float rate) {
    for (Layer& layer : layers_) {
      layer.weights.update(step, rate, stream_);
      layer.bias.update(step, rate, stream_);
    }
  }

  float loss() const {
    const std::vector<float> rows = row_loss_.host();
    return std::accumulate(rows.begin(), rows.end(), 0.0f) / static_cast<float>(batch_);
  }
  const Layer* begin() const { return layers_; }
  const Layer* end() const { return layers_ + 4; }

  void add_to(Checksum& sum) const {
    for (const Layer& layer : layers_)
      for (const Parameter* p : {&layer.weights, &layer.bias})
        for (const Floats* tensor : {&p->value, &p->gradient, &p->mean, &p->square})
          sum.add(*tensor);
    sum.add(partial_);
    sum.add(row_loss_);
  }

 private:
  // Few inputs, many outputs: one pass.
  void wide(const float* in, const Layer& layer, float* out) {
    multiply<kTile, kTile, Plain, Plain, Finish::BiasRelu>
        <<<dim3(layer.outputs / kTile, batch_ / kTile), kThreads, 0, stream_>>>(
            {batch_, layer.outputs, layer.inputs, 1}, in, layer.weights.value.data(),
            layer.bias.value.data(), out);
  }
  // Many inputs, few outputs: the sum is cut into parts, which are added in order.
  void deep(const float* in, const Layer& layer, float* out, bool relu) {
    const Shape shape{batch_, layer.outputs, layer.inputs, kSplits};
    const float* weights = layer.weights.value.data();
    if (layer.outputs == kLogits) {
      multiply<kTile, kLogits, Plain, Plain, Finish::Partial>
          <<<dim3(1, batch_ / kTile, kSplits), kThreads, 0, stream_>>>(shape, in, weights, nullptr,
                                                                       partial_.data());
    } else {
      multiply<kTile, kTile, Plain, Plain, Finish::Partial>
          <<<dim3(layer.outputs / kTile, batch_ / kTile, kSplits), kThreads, 0, stream_>>>(
              shape, in, weights, nullptr, partial_.data());
    }
    const int count = batch_ * layer.outputs;
    add_parts<<<(count + 127) / 128, 128, 0, stream_>>>(count, layer.outputs, kSplits,
                                                        partial_.data(), layer.bias.value.data(),
                                                        nullptr, relu, out);
  }
  // Backwards through a layer with many inputs: delta * transposed weights, where the ReLU was
  // open.
  void spread(const float* delta, const Layer& layer, const float* activation, float* out) {
    multiply<kTile, kTile, Plain, Transposed, Finish::Mask>
        <<<dim3(layer.inputs / kTile, batch_ / kTile), kThreads, 0, stream_>>>(
            {batch_, layer.inputs, layer.outputs, 1}, delta, layer.weights.value.data(), activation,
            out);
  }
  // The same with few inputs.
  void gather(const float* delta, const Layer& layer, const float* activation, float* out) {
    multiply<kTile, kTile, Plain, Transposed, Finish::Partial>
        <<<dim3(layer.inputs / kTile, batch_ / kTile, kSplits), kThreads, 0, stream_>>>(
            {batch_, layer.inputs, layer.outputs, kSplits}, delta, layer.weights.value.data(),
            nullptr, partial_.data());
    const int count = batch_ * layer.inputs;
    add_parts<<<(count + 127) / 128, 128, 0, stream_>>>(
        count, layer.inputs, kSplits, partial_.data(), nullptr, activation, false, out);
  }
  void gradient(const float* in, Layer& layer, const float* delta) {
    const Shape shape{layer.inputs, layer.outputs, batch_, 1};
    float* out = layer.weights.gradient.data();
    if (layer.outputs == kLogits) {
      multiply<kTile, kLogits, Transposed, Plain, Finish::Store>
          <<<dim3(1, layer.inputs / kTile), kThreads, 0, stream_>>>(shape, in, delta, nullptr, out);
    } else {
      multiply<kTile, kTile, Transposed, Plain, Finish::Store>
          <<<dim3(layer.outputs / kTile, layer.inputs / kTile), kThreads, 0, stream_>>>(
              shape, in, delta, nullptr, out);
    }
    add_rows<<<(layer.outputs + 127) / 128, 128, 0, stream_>>>(batch_, layer.outputs, delta,
                                                               layer.bias.gradient.data());
  }

  int batch_, hidden_;
  cudaStream_t stream_;
  Layer layers_[4];
  Floats partial_, row_loss_;
};

// Batches on their way to the GPU: pinned, two deep, so that the next is filled while one is
// copied.
class Feeder {
 public:
  Feeder(int batch, cudaStream_t stream)
      : batch_(batch),
        stream_(stream),
        images_("images", static_cast<size_t>(batch) * kPixels),
        digits_("digits", batch) {
    for (Slot& slot : slots_) {
      check(cudaMallocHost(&slot.images, images_.bytes()), "cudaMallocHost");
      check(cudaMallocHost(&slot.digits, digits_.bytes()), "cudaMallocHost");
      check(cudaEventCreateWithFlags(&slot.copied, cudaEventDisableTiming), "cudaEventCreate");
    }
  }
  ~Feeder() {
    for (Slot& slot : slots_) {
      cudaEventSynchronize(slot.copied);
      cudaEventDestroy(slot.copied);
      cudaFreeHost(slot.images);
      cudaFreeHost(slot.digits);
    }
  }
  // Rows beyond the given ones are zero.
  template <class Row>
  void feed(const Images& from, int count, Row row) {
    Slot& slot = slots_[next_ ^= 1];
    check(cudaEventSynchronize(slot.copied), "waiting for a copy");
    memset(slot.images, 0, images_.bytes());
    memset(slot.digits, 0, digits_.bytes());
    for (int i = 0; i < count; ++i) {
      std::copy_n(from.pixels.begin() + row(i) * kPixels, kPixels, slot.images + i * kPixels);
      slot.digits[i] = from.digits[row(i)];
    }
    check(cudaMemcpyAsync(images_.data(), slot.images, images_.bytes(), cudaMemcpyHostToDevice,
                          stream_),
          "copy to the GPU");
    check(cudaMemcpyAsync(digits_.data(), slot.digits, digits_.bytes(), cudaMemcpyHostToDevice,
                          stream_),
          "copy to the GPU");
    check(cudaEventRecord(slot.copied, stream_), "cudaEventRecord");
  }
  const float* images() const { return images_.data(); }
  const int* digits() const { return digits_.data(); }
  void add_to(Checksum& sum) const { sum.add(images_), sum.add(digits_); }

 private:
  struct Slot {
    float* images = nullptr;
    int* digits = nullptr;
    cudaEvent_t copied = nullptr;
  };
  int batch_;
  cudaStream_t stream_;
  Floats images_;
  Tensor<int> digits_;
  Slot slots_[2];
  int next_ = 0;
};

double accuracy(Network& network, Feeder& feeder, const Images& test, const Options& options,
                cudaStream_t stream) {
  int right = 0;
  const int total = static_cast<int>(test.size());
  for (int first = 0; first < total; first += options.batch) {
    const int count = std::min(options.batch, total - first);
    feeder.feed(test, count, [first](int i) { return first + i; });
    const Activations a(options.batch, options.hidden, stream);
    network.forward(feeder.images(), a);
    const std::vector<float> logits = a.logits.host();
    for (int i = 0; i < count; ++i) {
      const float* row = &logits[static_cast<size_t>(i) * kLogits];
      right += std::max_element(row, row + kClasses) - row == test.digits[first + i];
    }
  }
  return static_cast<double>(right) / total;
}

void write_weights(const Network& network, const std::string& path) {
  std::ofstream file(path, std::ios::binary);
  for (const Layer& layer : network)
    for (const Floats* tensor : {&layer.weights.value, &layer.bias.value}) {
      const std::vector<float> values = tensor->host();
      file.write(reinterpret_cast<const char*>(values.data()),
                 static_cast<std::streamsize>(tensor->bytes()));
    }
  if (!file.flush()) usage("cannot write " + path);
}

}  // namespace

int main(int argc, char** argv) {
  const Options options = parse(argc, argv);
  Images training, test;
  load(options.data, &training, &test);
  if (training.size() < static_cast<size_t>(options.batch))
    usage("--batch: more than there are images");
  printf("train_digits: %zu images, %zu to test; %d-%d-%d-%d-%d, batch %d, %d steps\n",
         training.size(), test.size(), kPixels, options.hidden, kBottleneck, options.hidden,
         kClasses, options.batch, options.steps);

  std::mt19937 random(1811);
  cudaStream_t stream = nullptr;
  check(cudaStreamCreate(&stream), "cudaStreamCreate");
  Checksum sum;
  double score = 0;
  {
    Network network(options.batch, options.hidden, random, stream);
    Feeder feeder(options.batch, stream);
    std::vector<int> order(training.size());
    std::iota(order.begin(), order.end(), 0);
    size_t at = order.size();
    for (int step = 1; step <= options.steps; ++step) {
      if (at + options.batch > order.size()) {
        for (size_t i = order.size() - 1; i > 0; --i)
          std::swap(order[i], order[random() % (i + 1)]);
        at = 0;
      }
      feeder.feed(training, options.batch, [&](int i) { return order[at + i]; });
      at += options.batch;
      const Activations activations(options.batch, options.hidden, stream);
      const Activations deltas(options.batch, options.hidden, stream);
      network.forward(feeder.images(), activations);
      network.backward(feeder.images(), feeder.digits(), activations, deltas);
      const float progress = static_cast<float>(step - 1) / static_cast<float>(options.steps);
      network.update(step, kLearningRate * (1.0f - progress));
      check(cudaGetLastError(), "a kernel launch");
      if (step % 4 == 0 || step == options.steps)
        printf("step %3d  loss %.4f\n", step, network.loss());
      mark_iteration();
      if (step == options.steps) {
        check(cudaStreamSynchronize(stream), "training");
        for (const Activations* a : {&activations, &deltas})
          for (const Floats* tensor : {&a->first, &a->second, &a->third, &a->logits})
            sum.add(*tensor);
      }
    }
    score = accuracy(network, feeder, test, options, stream);
    network.add_to(sum);
    feeder.add_to(sum);
    if (!options.out.empty()) write_weights(network, options.out);
  }
  check(cudaStreamDestroy(stream), "cudaStreamDestroy");
  check(cudaDeviceSynchronize(), "cudaDeviceSynchronize");
  printf("footprint %.1f MiB in %d tensors\n", static_cast<double>(footprint.peak()) / kMiB,
         footprint.most_tensors());
  printf("test accuracy %.4f\n", score);
  printf("checksum %016llx\n", sum.value());
  return 0;
}
