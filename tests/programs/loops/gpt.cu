// SPDX-License-Identifier: Apache-2.0
// The steps of a transformer in training with Adam: what PyTorch does to the memory of GPT, one
// sequence a step. Activations and gradients are made and freed in each step, in stream order.
//
//   gpt LAYERS UNIT_MIB STEPS
#define KERNELS "gpt.def"
#include "job.cuh"
#include "rows.cuh"

namespace {

struct Weight {
  Tensor value, mean, square, gradient;
  Weight(Job& job, size_t mib)
      : value(job.lasting(mib)), mean(job.lasting(mib)), square(job.lasting(mib)) {}
  void update(Job& job, const Kernel& adam) {
    job.run(adam, value, mean, square, gradient);
    gradient = Tensor();
  }
};

class Layer {
 public:
  Layer(Job& job, size_t unit)
      : job_(job),
        unit_(unit),
        attention_(job, 4 * unit),
        up_(job, 4 * unit),
        down_(job, 4 * unit) {}

  Tensor& forward(Tensor& in) {
    in_ = &in;
    job_.run(kernels::norm_forward, make(first_norm_, 1), in);
    job_.run(kernels::qkv_forward, make(qkv_, 3), first_norm_, attention_.value);
    job_.run(kernels::attention_forward, make(attended_, 1), qkv_);
    job_.run(kernels::project_forward, make(middle_, 1), attended_, in, attention_.value);
    job_.run(kernels::norm_forward, make(second_norm_, 1), middle_);
    job_.run(kernels::up_forward, make(wide_, 4), second_norm_, up_.value);
    job_.run(kernels::gelu_forward, make(bent_, 4), wide_);
    job_.run(kernels::down_forward, make(out_, 1), bent_, middle_, down_.value);
    return out_;
  }

  // `gradient`: of what came out; afterwards, of what went in.
  void backward(Tensor& gradient) {
    out_ = Tensor();
    Tensor wide, narrow;
    job_.run(kernels::down_backward_data, make(wide, 4), gradient, down_.value);
    job_.run(kernels::down_backward_weight, make(down_.gradient, 4), gradient, bent_);
    bent_ = Tensor();
    job_.run(kernels::gelu_backward, wide, wide_);
    wide_ = Tensor();
    job_.run(kernels::up_backward_data, make(narrow, 1), wide, up_.value);
    job_.run(kernels::up_backward_weight, make(up_.gradient, 4), wide, second_norm_);
    wide = Tensor();
    second_norm_ = Tensor();
    job_.run(kernels::norm_backward, gradient, narrow, middle_);
    middle_ = Tensor();
    job_.run(kernels::project_backward_data, make(narrow, 1), gradient, attention_.value);
    job_.run(kernels::project_backward_weight, make(attention_.gradient, 4), gradient, attended_);
    job_.run(kernels::attention_backward, make(wide, 3), narrow, qkv_, attended_);
    attended_ = Tensor();
    qkv_ = Tensor();
    job_.run(kernels::qkv_backward_data, make(narrow, 1), wide, attention_.value);
    job_.run(kernels::qkv_backward_weight, attention_.gradient, wide, first_norm_);
    wide = Tensor();
    first_norm_ = Tensor();
    job_.run(kernels::norm_backward, gradient, narrow, *in_);
  }

  void update() {
    for (Weight* weight : {&attention_, &up_, &down_}) weight->update(job_, kernels::adam);
  }
  void check() {
    for (Weight* weight : {&attention_, &up_, &down_})
      for (Tensor* tensor : {&weight->value, &weight->mean, &weight->square})
        job_.must_hold_what_it_should(*tensor);
  }

 private:
  Tensor& make(Tensor& tensor, size_t units) {
    tensor = Tensor();  // the old one first, as a caching allocator would have it
    return tensor = job_.passing(units * unit_);
  }

  Job& job_;
  size_t unit_;
  Weight attention_, up_, down_;
  Tensor* in_ = nullptr;
  Tensor first_norm_, qkv_, attended_, middle_, second_norm_, wide_, bent_, out_;
};

}  // namespace

int main(int argc, char** argv) {
  const auto given = numbers(argc, argv, 3, "gpt LAYERS UNIT_MIB STEPS");
  const size_t unit = given[1];
  Job job("gpt");
  Weight embedding(job, 8 * unit);
  std::vector<Layer> layers;
  for (size_t i = 0; i < given[0]; ++i) layers.emplace_back(job, unit);
  for (size_t step = 0; step < given[2]; ++step) {
    Tensor first = job.passing(unit);
    job.run(kernels::embed_forward, first, embedding.value);
    Tensor* last = &first;
    for (Layer& layer : layers) last = &layer.forward(*last);
    Tensor logits = job.passing(8 * unit);
    job.run(kernels::head_forward, logits, *last, embedding.value);
    job.run(kernels::cross_entropy, logits);
    job.run(kernels::cross_entropy_backward, logits);
    Tensor gradient = job.passing(unit);
    job.run(kernels::head_backward_data, gradient, logits, embedding.value);
    embedding.gradient = job.passing(8 * unit);
    job.run(kernels::head_backward_weight, embedding.gradient, logits, *last);
    logits = Tensor();
    for (size_t i = layers.size(); i-- > 0;) layers[i].backward(gradient);
    job.run(kernels::embed_backward, embedding.gradient, gradient);
    first = Tensor();
    gradient = Tensor();
    embedding.update(job, kernels::adam_embedding);
    for (Layer& layer : layers) layer.update();
    job.end_iteration();
  }
  for (Tensor* tensor : {&embedding.value, &embedding.mean, &embedding.square})
    job.must_hold_what_it_should(*tensor);
  for (Layer& layer : layers) layer.check();
  job.end();
  return 0;
}
