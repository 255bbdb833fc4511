// SPDX-License-Identifier: Apache-2.0
#include "tests/gpu/report.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace probe {
namespace {

const char* name_of(Status status) {
  switch (status) {
    case Status::Ok:
      return "ok";
    case Status::Unsupported:
      return "unsupported";
    case Status::Failed:
      return "failed";
  }
  __builtin_unreachable();
}

}  // namespace

Summary summarize(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  auto quantile = [&](double q) {  // nearest rank: always a value that was measured
    auto rank = static_cast<size_t>(std::ceil(q * static_cast<double>(values.size())));
    return values[std::clamp<size_t>(rank, 1, values.size()) - 1];
  };
  return {values.front(), quantile(0.1),  quantile(0.5),
          quantile(0.9),  quantile(0.99), values.back()};
}

Summary Report::sample(const char* name, const char* unit, std::vector<double> values, json where) {
  size_t count = values.size();
  Summary s = summarize(std::move(values));
  line({{"kind", "sample"},
        {"name", name},
        {"unit", unit},
        {"where", std::move(where)},
        {"n", count},
        {"min", s.min},
        {"p10", s.p10},
        {"median", s.median},
        {"p90", s.p90},
        {"p99", s.p99},
        {"max", s.max}});
  return s;
}

void Report::fact(const std::string& name, json value) {
  line({{"kind", "fact"}, {"name", name}, {"value", std::move(value)}});
}

void Report::end(Status status, const Verdict& verdict, double seconds) {
  line({{"kind", "end"},
        {"status", name_of(status)},
        {"answer", verdict.answer},
        {"meaning", verdict.meaning},
        {"seconds", seconds}});
}

void Report::line(json object) {
  object["probe"] = probe_;
  // Names out of a driver are not always UTF-8.
  std::string text = object.dump(-1, ' ', false, json::error_handler_t::replace);
  std::puts(text.c_str());
  std::fflush(stdout);
}

}  // namespace probe
