// SPDX-License-Identifier: Apache-2.0
// Convolutional and recurrent nets in training, and loops that are no models.
#include "tests/workloads/others.h"

#include <cmath>
#include <random>
#include <vector>

#include "tests/workloads/maker.h"

namespace workloads {

namespace {

// A net whose stages keep one activation each: forward, backward, optimizer.
struct Stage {
  double weights;     // elements
  double activation;  // bytes kept
  double flops;       // forward
};

spillway::policy::Workload chain(std::string name, const std::vector<Stage>& stages,
                                 int iterations) {
  Maker maker(std::move(name));
  std::vector<Weight> weights;
  for (const Stage& stage : stages) weights.push_back(Weight::make(maker, stage.weights));
  for (int i = 0; i < iterations; i++) {
    maker.iteration();
    const size_t n = stages.size();
    std::vector<uint32_t> kept(n);
    for (size_t s = 0; s < n; s++) {
      kept[s] = maker.tensor(stages[s].activation);
      maker.kernel(
          "forward", stages[s].flops,
          {Maker::r(s ? kept[s - 1] : Maker::kNone), Maker::r(weights[s].half), Maker::w(kept[s])});
    }
    uint32_t gradient = maker.tensor(stages[n - 1].activation);
    maker.kernel("loss", 0, {Maker::r(kept[n - 1]), Maker::w(gradient)});
    for (size_t s = n; s-- > 0;) {
      weights[s].begin_gradient(maker);
      const uint32_t next = s ? maker.tensor(stages[s - 1].activation) : Maker::kNone;
      maker.kernel("backward_weight", stages[s].flops,
                   {Maker::r(gradient), Maker::r(s ? kept[s - 1] : Maker::kNone),
                    Maker::rw(weights[s].gradient)});
      maker.kernel(
          "backward_data", stages[s].flops,
          {Maker::r(gradient), Maker::r(kept[s]), Maker::r(weights[s].half), Maker::w(next)});
      maker.free(gradient);
      maker.free(kept[s]);
      gradient = next;
    }
    for (Weight& weight : weights) weight.step(maker);
  }
  return maker.take();
}

}  // namespace

// He et al. 2015, table 1: bottleneck blocks 3, 4, 6, 3 over 56, 28, 14 and 7 pixels a side; three
// convolutions and their normalisations keep 2 bytes an element each. 4.1 GFLOP an image forward.
spillway::policy::Workload resnet50(int iterations) {
  constexpr double kBatch = 1024;
  std::vector<Stage> stages{{9408, kBatch * 64 * 112 * 112 * 4, kBatch * 0.24e9}};
  const struct {
    int blocks, side, channels;
  } groups[] = {{3, 56, 64}, {4, 28, 128}, {6, 14, 256}, {3, 7, 512}};
  for (const auto& group : groups)
    for (int b = 0; b < group.blocks; b++)
      for (const double wide : {1.0, 1.0, 4.0}) {
        const double pixels = group.side * group.side, c = group.channels;
        const double weights = wide == 4 ? 4 * c * c : b || wide != 1 ? 9 * c * c : 4 * c * c;
        stages.push_back({weights, kBatch * pixels * c * wide * 4, kBatch * 2 * weights * pixels});
      }
  return chain("resnet50", stages, iterations);
}

// Cicek et al. 2016 over 192^3 voxels, 32 channels on the first level, two convolutions of 27 taps
// on each of five levels down and up; single precision, what they and their normalisations keep.
spillway::policy::Workload unet3d(int iterations) {
  constexpr double kBatch = 2;
  std::vector<Stage> stages;
  for (int step = 0; step < 9; step++) {
    const int level = step < 5 ? step : 8 - step;
    const double side = 192.0 / (1 << level), channels = 32.0 * (1 << level);
    for (int convolution = 0; convolution < 2; convolution++) {
      const double voxels = kBatch * side * side * side;
      const double weights = 27 * channels * channels;
      stages.push_back({weights, voxels * channels * 8, 2 * weights * voxels});
    }
  }
  return chain("unet3d-192", stages, iterations);
}

// Four layers of width 4096 over 256 steps, batch 512: the same weights in every step.
spillway::policy::Workload lstm(int iterations) {
  constexpr double kWidth = 4096, kBatch = 512;
  constexpr int kLayers = 4, kSteps = 256;
  Maker maker("lstm");
  std::vector<Weight> weights;
  for (int l = 0; l < kLayers; l++) weights.push_back(Weight::make(maker, 8 * kWidth * kWidth));
  for (int i = 0; i < iterations; i++) {
    maker.iteration();
    std::vector<std::vector<uint32_t>> kept(kSteps, std::vector<uint32_t>(kLayers));
    for (int t = 0; t < kSteps; t++)
      for (int l = 0; l < kLayers; l++) {
        kept[t][l] = maker.tensor(2 * 6 * kBatch * kWidth);
        maker.kernel("cell", 16 * kWidth * kWidth * kBatch,
                     {Maker::r(weights[l].half), Maker::r(t ? kept[t - 1][l] : Maker::kNone),
                      Maker::r(l ? kept[t][l - 1] : Maker::kNone), Maker::w(kept[t][l])});
      }
    for (Weight& weight : weights) weight.begin_gradient(maker);
    for (int t = kSteps; t-- > 0;)
      for (int l = kLayers; l-- > 0;) {
        maker.kernel(
            "cell_back", 32 * kWidth * kWidth * kBatch,
            {Maker::r(weights[l].half), Maker::rw(kept[t][l]), Maker::rw(weights[l].gradient)});
        maker.free(kept[t][l]);
      }
    for (Weight& weight : weights) weight.step(maker);
  }
  return maker.take();
}

spillway::policy::Workload scan(int iterations, bool writes) {
  constexpr int kTensors = 256;
  Maker maker(writes ? "scan-rw" : "scan-r");
  std::vector<uint32_t> tensors;
  for (int t = 0; t < kTensors; t++) tensors.push_back(maker.tensor(128 << 20));
  for (int i = 0; i < iterations; i++) {
    maker.iteration();
    for (const uint32_t tensor : tensors)
      maker.kernel("scan", 1.5e6 * kFlopsPerNs, {writes ? Maker::rw(tensor) : Maker::r(tensor)});
  }
  return maker.take();
}

// Nothing repeats itself.
spillway::policy::Workload random_access(int iterations) {
  constexpr int kTensors = 256, kKernels = 300;
  std::mt19937 random(1);
  Maker maker("random");
  std::vector<uint32_t> tensors;
  for (int t = 0; t < kTensors; t++) tensors.push_back(maker.tensor(64 << 20));
  for (int i = 0; i < iterations; i++) {
    maker.iteration();
    for (int k = 0; k < kKernels; k++)
      maker.kernel(
          "any", 5e5 * kFlopsPerNs,
          {Maker::r(tensors[random() % kTensors]), Maker::rw(tensors[random() % kTensors])});
  }
  return maker.take();
}

// A loop over one half of the memory, then, from the middle on, another loop over another half.
spillway::policy::Workload two_phases(int iterations) {
  constexpr int kTensors = 200;
  Maker maker("two-phases");
  std::vector<uint32_t> tensors;
  for (int t = 0; t < kTensors; t++) tensors.push_back(maker.tensor(64 << 20));
  for (int i = 0; i < iterations; i++) {
    maker.iteration();
    const bool second = 2 * i >= iterations;
    for (int t = 0; t < kTensors * 3 / 4; t++) {
      const int at = second ? kTensors - 1 - t : t;
      maker.kernel(second ? "backwards" : "forwards", 1e6 * kFlopsPerNs,
                   {Maker::rw(tensors[at]), Maker::r(tensors[(at + 7) % kTensors])});
    }
  }
  return maker.take();
}

spillway::policy::Workload large(int iterations) {
  constexpr int kTensors = 2'000, kKernels = 100'000;
  std::mt19937 random(1);
  std::vector<int> order(kKernels * 5);
  for (size_t k = 0; k < order.size(); k++)
    order[k] = static_cast<int>((k / 250 + random() % 60) % kTensors);
  Maker maker("large");
  std::vector<uint32_t> tensors;
  for (int t = 0; t < kTensors; t++) tensors.push_back(maker.tensor(32 << 20));
  for (int i = 0; i < iterations; i++) {
    maker.iteration();
    for (int k = 0; k < kKernels; k++) {
      const auto at = [&](int use) { return tensors[order[5 * k + use]]; };
      maker.kernel(
          "any", 2e4 * kFlopsPerNs,
          {Maker::r(at(0)), Maker::r(at(1)), Maker::r(at(2)), Maker::r(at(3)), Maker::rw(at(4))});
    }
  }
  return maker.take();
}

}  // namespace workloads
