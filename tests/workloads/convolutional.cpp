// SPDX-License-Identifier: Apache-2.0
// Convolutional networks for images and for volumes.
#include <vector>

#include "tests/workloads/generators.h"
#include "tests/workloads/net.h"

namespace workloads {
namespace {

// A convolution, a normalisation of its results and, in place, an activation.
Variable convolve(Net& net, const Variable& x, Parameter& w, uint64_t places, bool active = true) {
  Variable y = net.product("convolution", x, w, places);
  y = net.map("norm", y);
  return active ? net.relu(y) : y;
}

// --- ResNet-50 ---

struct Bottleneck {
  Parameter &reduce, &middle, &expand;
  Parameter* shortcut;  // of the first of a stage
  uint64_t places;      // of its results, batch and all
  uint64_t before;      // and of what it is given
};

class ResNet50 {
 public:
  explicit ResNet50(Net& net, uint64_t batch)
      : net_(net), batch_(batch), stem_(net.parameter(7 * 7 * 3, 64)) {
    constexpr int kStages = 4;
    constexpr int kBlocks[kStages] = {3, 4, 6, 3};
    uint64_t in = 64, side = 56;
    for (int stage = 0; stage < kStages; ++stage) {
      const uint64_t width = 64ull << stage;
      for (int block = 0; block < kBlocks[stage]; ++block) {
        const uint64_t before = batch * side * side;
        if (stage > 0 && block == 0) side /= 2;
        Parameter& reduce = net.parameter(in, width);
        Parameter& middle = net.parameter(9 * width, width);
        Parameter& expand = net.parameter(width, 4 * width);
        Parameter* shortcut = block == 0 ? &net.parameter(in, 4 * width) : nullptr;
        blocks_.push_back({reduce, middle, expand, shortcut, batch * side * side, before});
        in = 4 * width;
      }
    }
    classes_ = &net.parameter(in, 1000);
  }

  void train() {
    constexpr uint64_t kSide = 224;
    forward(net_.input(batch_ * kSide * kSide * 3));
    net_.backward();
    net_.step();
  }

 private:
  void forward(Variable x) {
    x = convolve(net_, x, stem_, batch_ * 112 * 112);
    x = net_.map("pool", x, x.elements / 4);
    for (const Bottleneck& block : blocks_) {
      Variable y = convolve(net_, x, block.reduce, block.before);
      y = convolve(net_, y, block.middle, block.places);
      y = convolve(net_, y, block.expand, block.places, false);
      if (block.shortcut) x = convolve(net_, x, *block.shortcut, block.places, false);
      y = net_.add(x, y);
      x = net_.relu(y);
    }
    x = net_.map("pool", x, batch_ * classes_->in);
    x = net_.linear(x, *classes_);
    net_.loss(x);
  }

  Net& net_;
  const uint64_t batch_;
  Parameter& stem_;
  std::vector<Bottleneck> blocks_;
  Parameter* classes_;
};

// --- 3D U-Net, as nnU-Net plans it ---

class Unet3d {
 public:
  Unet3d(Net& net, uint64_t batch, uint64_t side) : net_(net) {
    uint64_t in = 1;
    for (const uint64_t width : {32, 64, 128, 256, 320, 320}) {
      Parameter& first = net.parameter(27 * in, width);
      Parameter& second = net.parameter(27 * width, width);
      down_.push_back({first, second, nullptr, batch * side * side * side, width});
      in = width;
      side /= 2;
    }
    for (size_t level = down_.size() - 1; level-- > 0;) {
      const Level& across = down_[level];
      Parameter& enlarge = net.parameter(down_[level + 1].width, 8 * across.width);
      Parameter& first = net.parameter(27 * 2 * across.width, across.width);
      Parameter& second = net.parameter(27 * across.width, across.width);
      up_.push_back({first, second, &enlarge, across.places, across.width});
    }
    classes_ = &net.parameter(32, 3);
  }

  void train() {
    forward(net_.input(down_[0].places));
    net_.backward();
    net_.step();
  }

 private:
  struct Level {
    Parameter &first, &second;
    Parameter* enlarge;  // a place of the level below becomes eight; on the way up
    uint64_t places, width;
  };

  void forward(Variable x) {
    std::vector<Variable> across;
    for (const Level& level : down_) {
      x = convolve(net_, x, level.first, level.places);
      x = convolve(net_, x, level.second, level.places);
      across.push_back(x);
    }
    across.pop_back();
    for (const Level& level : up_) {
      x = net_.product("enlarge", x, *level.enlarge, level.places / 8);
      x = net_.concatenate(across.back(), x);
      across.pop_back();
      x = convolve(net_, x, level.first, level.places);
      x = convolve(net_, x, level.second, level.places);
    }
    x = net_.product("convolution", x, *classes_, down_[0].places);
    net_.loss(x);
  }

  Net& net_;
  std::vector<Level> down_, up_;
  Parameter* classes_;
};

template <class Model, class... Sizes>
Workload training(const char* name, unsigned iterations, Sizes... sizes) {
  Job job(name);
  Net net(job, Optimizer::Momentum);
  Model model(net, sizes...);
  for (unsigned i = 0; i < iterations; ++i) {
    job.iteration();
    model.train();
  }
  return job.take();
}

}  // namespace

Workload resnet50(unsigned iterations) {
  return training<ResNet50>("resnet-50", iterations, 256);
}

Workload unet3d(unsigned iterations) {
  return training<Unet3d>("unet-3d", iterations, 2, 192);
}

}  // namespace workloads
