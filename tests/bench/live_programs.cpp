// SPDX-License-Identifier: Apache-2.0
#include "tests/bench/live_programs.h"

#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>

namespace bench {
namespace {

#define KERNEL(name, microseconds, modes) {#name, microseconds, modes},
constexpr KernelFact kGpt[] = {
#include "tests/programs/loops/gpt.def"
};
constexpr KernelFact kUnet[] = {
#include "tests/programs/loops/unet.def"
};
constexpr KernelFact kScan[] = {
#include "tests/programs/loops/scan.def"
};
#undef KERNEL

// Of train_digits as it is by itself, 16384 hidden units and a batch of 64: images, the bottleneck,
// biases, logits, the last layer's weights and sums in parts are too small to be served.
constexpr KernelFact kDigits[] = {
    {"multiply<64, 64, (Order)0, (Order)0, (Finish)1>", 0, "rw"},
    {"multiply<64, 64, (Order)0, (Order)0, (Finish)3>", 0, "rr"},
    {"multiply<64, 16, (Order)0, (Order)0, (Finish)3>", 0, "r"},
    {"multiply<64, 64, (Order)0, (Order)1, (Finish)2>", 0, "rw|rrw"},
    {"multiply<64, 64, (Order)0, (Order)1, (Finish)3>", 0, "rr"},
    {"multiply<64, 64, (Order)1, (Order)0, (Finish)0>", 0, "rw"},
    {"multiply<64, 16, (Order)1, (Order)0, (Finish)0>", 0, "r"},
    {"add_parts", 0, ""},
    {"add_rows", 0, "r"},
    {"cross_entropy", 0, ""},
    {"adam", 0, "xrxx"},
};

}  // namespace

const KernelFact& LiveProgram::fact(std::string_view kernel) const {
  const auto found = std::ranges::find(kernels, kernel, &KernelFact::name);
  if (found == kernels.end())
    throw std::runtime_error(fmt::format("{}: nothing is known of kernel {}", name, kernel));
  return *found;
}

char LiveProgram::mode(std::string_view kernel, size_t place, size_t count) const {
  std::string_view forms = fact(kernel).modes;
  while (!forms.empty()) {
    const std::string_view form = forms.substr(0, forms.find('|'));
    if (form.size() == count) return form[place];
    forms.remove_prefix(std::min(forms.size(), form.size() + 1));
  }
  throw std::runtime_error(fmt::format("{}: kernel {} with {} allocations, not {}", name, kernel,
                                       count, fact(kernel).modes));
}

std::string LiveProgram::kernel_times() const {
  std::string lines;
  for (const KernelFact& kernel : kernels)
    if (kernel.microseconds > 0)
      lines += fmt::format("{}={}\n", kernel.name, unit * kernel.microseconds);
  return lines;
}

std::span<const LiveProgram> live_programs() {
  // Tensors of the sizes that real jobs have, in as few GiB as a machine without a GPU can hold. As
  // many iterations as a policy may need to learn the loop, and some more. Units are whole granules
  // of 2 MiB: of tensors so much smaller than real ones, rounding would cost too large a share.
  static const LiveProgram kPrograms[] = {
      {"digits", {"train_digits", "--steps", "12"}, 1, kDigits},
      {"gpt", {"gpt", "5", "16", "8"}, 16, kGpt},
      {"unet", {"unet", "8", "8"}, 8, kUnet},
      {"scan", {"scan", "32", "128", "8", "change"}, 128, kScan},
      {"look", {"scan", "32", "128", "8", "look"}, 128, kScan},
  };
  return kPrograms;
}

}  // namespace bench
