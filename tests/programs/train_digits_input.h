// SPDX-License-Identifier: Apache-2.0
// What train_digits.cu is given: its command line and the images.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

namespace {

constexpr int kPixels = 64;
constexpr int kClasses = 10;
constexpr int kMultiple = 64;  // of the batch: rows of a tile
constexpr int kSplits = 16;    // parts that a sum over `hidden` is cut into

[[noreturn]] void usage(const std::string& complaint) {
  fprintf(stderr,
          "train_digits: %s\nusage: train_digits [--steps N] [--batch N] [--hidden N] "
          "[--data digits.csv] [--out weights.bin]\n",
          complaint.c_str());
  exit(1);
}

struct Options {
  int steps = 24;
  int batch = 64;
  int hidden = 16384;
  std::string data;
  std::string out;
};

int positive(const char* name, const char* text, int multiple) {
  char* end = nullptr;
  const long value = strtol(text, &end, 10);
  if (*end != '\0' || value <= 0 || value > 1 << 24 || value % multiple != 0)
    usage(std::string(name) + " " + text + ": a positive multiple of " + std::to_string(multiple) +
          " is needed");
  return static_cast<int>(value);
}

// The data set lies beside the program unless --data says otherwise.
std::string beside(const char* program, const char* file) {
  const std::string path = program;
  const size_t slash = path.rfind('/');
  return (slash == std::string::npos ? std::string() : path.substr(0, slash + 1)) + file;
}

Options parse(int argc, char** argv) {
  Options options;
  options.data = beside(argv[0], "digits.csv");
  for (int i = 1; i < argc; i += 2) {
    const std::string name = argv[i];
    if (i + 1 == argc) usage(name + ": a value is needed");
    const char* value = argv[i + 1];
    if (name == "--steps")
      options.steps = positive("--steps", value, 1);
    else if (name == "--batch")
      options.batch = positive("--batch", value, kMultiple);
    else if (name == "--hidden")
      options.hidden = positive("--hidden", value, kMultiple * kSplits);
    else if (name == "--data")
      options.data = value;
    else if (name == "--out")
      options.out = value;
    else
      usage(name + ": unknown option");
  }
  return options;
}

struct Images {
  std::vector<float> pixels;  // one image a row of kPixels, centred around 0
  std::vector<int> digits;
  size_t size() const { return digits.size(); }
};

// Every sixth image is held out for the test.
void load(const std::string& path, Images* training, Images* test) {
  std::ifstream file(path);
  if (!file) usage("cannot read " + path);
  std::string line;
  for (int row = 0; std::getline(file, line); ++row) {
    std::stringstream values(line);
    std::string cell;
    Images& images = row % 6 == 5 ? *test : *training;
    std::vector<int> numbers;
    while (std::getline(values, cell, ',')) numbers.push_back(atoi(cell.c_str()));
    if (numbers.size() != kPixels + 1 || numbers.back() < 0 || numbers.back() >= kClasses)
      usage(path + ", line " + std::to_string(row + 1) + ": 64 pixels and a digit are expected");
    for (int i = 0; i < kPixels; ++i)
      images.pixels.push_back(static_cast<float>(numbers[i]) / 16.0f - 0.3f);
    images.digits.push_back(numbers.back());
  }
  if (training->size() == 0 || test->size() == 0) usage(path + ": no images");
}

}  // namespace
