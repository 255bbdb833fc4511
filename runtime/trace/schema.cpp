// SPDX-License-Identifier: Apache-2.0
#include "runtime/trace/schema.h"

#include <fmt/format.h>

namespace spillway::trace {
namespace {

template <class E>
std::string event_json() {
  std::string fields;
  each_field<E>([&](const auto& field) {
    using Value = typename std::remove_cvref_t<decltype(field)>::value_type;
    fields += fmt::format("{}{{\"name\": \"{}\", \"type\": \"{}\", \"unit\": \"{}\"",
                          fields.empty() ? "" : ", ", field.name, type_of<Value>(), field.unit);
    if constexpr (std::is_enum_v<Value>) {
      std::string words;
      for (const std::string_view word : names_of(Value{}))
        words += fmt::format("{}\"{}\"", words.empty() ? "" : ", ", word);
      fields += fmt::format(", \"words\": [{}]", words);
    }
    fields += "}";
  });
  return fmt::format("{{\"kind\": \"{}\", \"fields\": [{}]}}", E::kind, fields);
}

template <class... Events>
std::string events_json(const std::variant<Events...>*) {
  std::string all;
  ((all += (all.empty() ? "" : ",\n  ") + event_json<Events>()), ...);
  return all;
}

}  // namespace

std::string schema_json() {
  return fmt::format("[\n  {}\n]", events_json(static_cast<const Event*>(nullptr)));
}

}  // namespace spillway::trace
