// SPDX-License-Identifier: Apache-2.0
// The steps of a U-Net in training with Adam. What each level passes on at the beginning of a step
// is needed again by the same level at its end, and on the way back: memory that is idle the
// longer, the larger it is.
//
//   unet UNIT_MIB STEPS
#define KERNELS "unet.def"
#include "job.cuh"
#include "rows.cuh"

namespace {

struct Level {
  size_t passes, weights;  // units
  const Kernel &forward, &backward_data, &backward_weight, &adam;
};
const Level kLevels[] = {
    {16, 1, kernels::conv_forward, kernels::conv_backward_data, kernels::conv_backward_weight,
     kernels::adam},
    {8, 3, kernels::conv_forward, kernels::conv_backward_data, kernels::conv_backward_weight,
     kernels::adam_middle},
    {4, 11, kernels::conv_forward, kernels::conv_backward_data, kernels::conv_backward_weight,
     kernels::adam_deep},
    {1, 11, kernels::conv_forward_deep, kernels::conv_backward_data_deep,
     kernels::conv_backward_weight_deep, kernels::adam_deep},
};

struct Weight {
  Tensor value, mean, square, gradient;
  Weight(Job& job, size_t mib)
      : value(job.lasting(mib)), mean(job.lasting(mib)), square(job.lasting(mib)) {}
};

// Two convolutions, over what came before and, on the way up, over what the same level passed on.
class Block {
 public:
  Block(Job& job, size_t unit, const Level& level)
      : job_(job),
        unit_(unit),
        level_(level),
        first_(job, level.weights * unit),
        second_(job, level.weights * unit) {}

  Tensor& forward(Tensor& in, Block* skip) {
    in_ = &in;
    skip_ = skip;
    normalised_ = make(level_.passes);
    if (skip != nullptr)
      job_.run(kernels::join_forward, normalised_, in, skip->out_);
    else
      job_.run(kernels::norm_forward, normalised_, in);
    between_ = make(level_.passes);
    job_.run(level_.forward, between_, normalised_, first_.value);
    out_ = make(level_.passes);
    job_.run(level_.forward, out_, between_, second_.value);
    return out_;
  }

  // From the gradient of what came out to that of what went in.
  Tensor backward(Tensor gradient) {
    if (from_skip_.bytes() != 0) job_.run(kernels::add, gradient, from_skip_);
    from_skip_ = Tensor();
    out_ = Tensor();
    Tensor inner = make(level_.passes);
    job_.run(level_.backward_data, inner, gradient, second_.value);
    second_.gradient = make(level_.weights);
    job_.run(level_.backward_weight, second_.gradient, gradient, between_);
    between_ = Tensor();
    gradient = make(level_.passes);
    job_.run(level_.backward_data, gradient, inner, first_.value);
    first_.gradient = make(level_.weights);
    job_.run(level_.backward_weight, first_.gradient, inner, normalised_);
    normalised_ = Tensor();
    inner = job_.passing(in_->bytes() >> 20);
    if (skip_ != nullptr) {
      skip_->from_skip_ = make(level_.passes);
      job_.run(kernels::join_backward, inner, skip_->from_skip_, gradient, *in_, skip_->out_);
    } else {
      job_.run(kernels::norm_backward, inner, gradient, *in_);
    }
    return inner;
  }

  void update() {
    for (Weight* weight : {&first_, &second_}) {
      job_.run(level_.adam, weight->value, weight->mean, weight->square, weight->gradient);
      weight->gradient = Tensor();
    }
  }
  void check() {
    for (Weight* weight : {&first_, &second_})
      for (Tensor* tensor : {&weight->value, &weight->mean, &weight->square})
        job_.must_hold_what_it_should(*tensor);
  }

 private:
  Tensor make(size_t units) { return job_.passing(units * unit_); }

  Job& job_;
  size_t unit_;
  const Level& level_;
  Weight first_, second_;
  Tensor* in_ = nullptr;
  Block* skip_ = nullptr;
  Tensor normalised_, between_, out_, from_skip_;
};

}  // namespace

int main(int argc, char** argv) {
  const auto given = numbers(argc, argv, 2, "unet UNIT_MIB STEPS");
  const size_t unit = given[0];
  Job job("unet");
  // Down and up again, with one more block at the bottom.
  const std::vector<int> levels{0, 1, 2, 3, 3, 3, 2, 1, 0};
  const size_t bottom = levels.size() / 2;
  std::vector<Block> blocks;
  blocks.reserve(levels.size());
  for (const int level : levels) blocks.emplace_back(job, unit, kLevels[level]);
  for (size_t step = 0; step < given[1]; ++step) {
    Tensor image = job.passing(16 * unit);
    job.run(kernels::input, image);
    Tensor* last = &image;
    for (size_t i = 0; i < blocks.size(); ++i)
      last = &blocks[i].forward(*last, i > bottom ? &blocks[levels[i]] : nullptr);
    job.run(kernels::square_error, *last);
    Tensor gradient = job.passing(16 * unit);
    job.run(kernels::square_error_backward, gradient, *last);
    for (size_t i = blocks.size(); i-- > 0;) gradient = blocks[i].backward(std::move(gradient));
    image = Tensor();
    gradient = Tensor();
    for (Block& block : blocks) block.update();
    job.end_iteration();
  }
  for (Block& block : blocks) block.check();
  job.end();
  return 0;
}
