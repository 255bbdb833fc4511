// SPDX-License-Identifier: Apache-2.0
// The kernels of train_digits.cu: one tiled matrix product with its ends and transpositions as
// template parameters, and the small elementwise and summing ones around it.
#pragma once

#include <cuda_runtime.h>

namespace {

constexpr int kTile = 64;     // rows and columns of the product that a block computes
constexpr int kDepth = 16;    // of the sum, staged in shared memory at a time
constexpr int kThreads = 64;  // a block; each thread keeps a patch of the product in registers
constexpr float kMeanDecay = 0.9f;
constexpr float kSquareDecay = 0.99f;

enum Order { Plain, Transposed };  // as stored: rows x columns, or columns x rows
enum class Finish {
  Store,     // as it is
  BiasRelu,  // extra: one bias per column
  Mask,      // extra: activations; zero where they are
  Partial,   // part blockIdx.z of the sum, to out + z * rows * columns
};

struct Shape {
  int rows, columns, depth;  // rows x depth times depth x columns; multiples of the tiles
  int splits;                // parts of the sum over depth
};

// Stages a kDepth x kWidth piece of an operand as piece[depth][across]. `across_is_fast`:
// neighbours across lie side by side in memory, else neighbours in depth do.
template <int kWidth, bool across_is_fast>
__device__ void stage(float (*piece)[kWidth], const float* from, int stride, int depth,
                      int across) {
  constexpr int kQuads = kDepth * kWidth / 4;
  for (int i = threadIdx.x; i < kQuads; i += kThreads) {
    if (across_is_fast) {
      const int d = i / (kWidth / 4), a = i % (kWidth / 4) * 4;
      *reinterpret_cast<float4*>(&piece[d][a]) =
          *reinterpret_cast<const float4*>(&from[(size_t)(depth + d) * stride + across + a]);
    } else {
      const int a = i / (kDepth / 4), d = i % (kDepth / 4) * 4;
      const float4 four =
          *reinterpret_cast<const float4*>(&from[(size_t)(across + a) * stride + depth + d]);
      piece[d][a] = four.x;
      piece[d + 1][a] = four.y;
      piece[d + 2][a] = four.z;
      piece[d + 3][a] = four.w;
    }
  }
}

template <int kRows, int kColumns, Order kLeft, Order kRight, Finish kFinish>
__global__ void __launch_bounds__(kThreads)
    multiply(Shape shape, const float* left, const float* right, const float* extra, float* out) {
  constexpr int kAcross = kColumns / 8 < 8 ? kColumns / 4 : kColumns / 8;  // threads along a row
  constexpr int kPatchColumns = kColumns / kAcross;
  constexpr int kPatchRows = kRows / (kThreads / kAcross);
  __shared__ __align__(16) float lefts[kDepth][kRows];
  __shared__ __align__(16) float rights[kDepth][kColumns];

  const int row0 = blockIdx.y * kRows, column0 = blockIdx.x * kColumns;
  const int patch_row = threadIdx.x / kAcross * kPatchRows;
  const int patch_column = threadIdx.x % kAcross * kPatchColumns;
  const int part = shape.depth / shape.splits;
  const int begin = blockIdx.z * part;

  float patch[kPatchRows][kPatchColumns] = {};
  for (int depth = begin; depth < begin + part; depth += kDepth) {
    stage<kRows, kLeft == Transposed>(lefts, left, kLeft == Plain ? shape.depth : shape.rows, depth,
                                      row0);
    stage<kColumns, kRight == Plain>(rights, right, kRight == Plain ? shape.columns : shape.depth,
                                     depth, column0);
    __syncthreads();
#pragma unroll
    for (int d = 0; d < kDepth; ++d) {
      float l[kPatchRows], r[kPatchColumns];
#pragma unroll
      for (int i = 0; i < kPatchRows; i += 4)
        *reinterpret_cast<float4*>(&l[i]) =
            *reinterpret_cast<const float4*>(&lefts[d][patch_row + i]);
#pragma unroll
      for (int j = 0; j < kPatchColumns; j += 4)
        *reinterpret_cast<float4*>(&r[j]) =
            *reinterpret_cast<const float4*>(&rights[d][patch_column + j]);
#pragma unroll
      for (int i = 0; i < kPatchRows; ++i)
#pragma unroll
        for (int j = 0; j < kPatchColumns; ++j) patch[i][j] = fmaf(l[i], r[j], patch[i][j]);
    }
    __syncthreads();
  }

  float* to =
      kFinish == Finish::Partial ? out + (size_t)blockIdx.z * shape.rows * shape.columns : out;
#pragma unroll
  for (int i = 0; i < kPatchRows; ++i) {
#pragma unroll
    for (int j = 0; j < kPatchColumns; j += 4) {
      const int column = column0 + patch_column + j;
      const size_t at = (size_t)(row0 + patch_row + i) * shape.columns + column;
      float4 value = make_float4(patch[i][j], patch[i][j + 1], patch[i][j + 2], patch[i][j + 3]);
      if (kFinish == Finish::BiasRelu) {
        const float4 bias = *reinterpret_cast<const float4*>(&extra[column]);
        value.x = fmaxf(value.x + bias.x, 0.0f);
        value.y = fmaxf(value.y + bias.y, 0.0f);
        value.z = fmaxf(value.z + bias.z, 0.0f);
        value.w = fmaxf(value.w + bias.w, 0.0f);
      } else if (kFinish == Finish::Mask) {
        const float4 open = *reinterpret_cast<const float4*>(&extra[at]);
        value.x = open.x > 0.0f ? value.x : 0.0f;
        value.y = open.y > 0.0f ? value.y : 0.0f;
        value.z = open.z > 0.0f ? value.z : 0.0f;
        value.w = open.w > 0.0f ? value.w : 0.0f;
      }
      *reinterpret_cast<float4*>(&to[at]) = value;
    }
  }
}

// The parts of a product in order, then bias (per column) or mask (per element), either may be
// null.
__global__ void add_parts(int count, int columns, int parts, const float* partial,
                          const float* bias, const float* mask, bool relu, float* out) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= count) return;
  float sum = bias != nullptr ? bias[i % columns] : 0.0f;
  for (int part = 0; part < parts; ++part) sum += partial[(size_t)part * count + i];
  if (mask != nullptr && mask[i] <= 0.0f) sum = 0.0f;
  out[i] = relu ? fmaxf(sum, 0.0f) : sum;
}

__global__ void add_rows(int rows, int columns, const float* in, float* out) {
  const int column = blockIdx.x * blockDim.x + threadIdx.x;
  if (column >= columns) return;
  float sum = 0.0f;
  for (int row = 0; row < rows; ++row) sum += in[(size_t)row * columns + column];
  out[column] = sum;
}

// Softmax, loss per row, and the gradient of the mean loss; padding columns get none.
__global__ void cross_entropy(int rows, int stride, int classes, const float* logits,
                              const int* digits, float* gradient, float* loss) {
  const int row = blockIdx.x * blockDim.x + threadIdx.x;
  if (row >= rows) return;
  const float* in = logits + row * stride;
  float* out = gradient + row * stride;
  float most = in[0];
  for (int i = 1; i < classes; ++i) most = fmaxf(most, in[i]);
  float sum = 0.0f;
  for (int i = 0; i < classes; ++i) sum += expf(in[i] - most);
  for (int i = 0; i < stride; ++i) {
    const float probability = i < classes ? expf(in[i] - most) / sum : 0.0f;
    out[i] = (probability - (i == digits[row] ? 1.0f : 0.0f)) / (float)rows;
  }
  loss[row] = logf(sum) + most - in[digits[row]];
}

__device__ void adam_one(float& value, float gradient, float& mean, float& square, float rate,
                         float square_scale) {
  mean = kMeanDecay * mean + (1.0f - kMeanDecay) * gradient;
  square = kSquareDecay * square + (1.0f - kSquareDecay) * gradient * gradient;
  value -= rate * mean / (sqrtf(square * square_scale) + 1e-8f);
}

__global__ void adam(int quads, float4* values, const float4* gradients, float4* means,
                     float4* squares, float rate, float square_scale) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= quads) return;
  float4 value = values[i], mean = means[i], square = squares[i];
  const float4 gradient = gradients[i];
  adam_one(value.x, gradient.x, mean.x, square.x, rate, square_scale);
  adam_one(value.y, gradient.y, mean.y, square.y, rate, square_scale);
  adam_one(value.z, gradient.z, mean.z, square.z, rate, square_scale);
  adam_one(value.w, gradient.w, mean.w, square.w, rate, square_scale);
  values[i] = value;
  means[i] = mean;
  squares[i] = square;
}

}  // namespace
