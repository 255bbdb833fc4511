// SPDX-License-Identifier: Apache-2.0
#include "interpose/elf.h"

#include <dlfcn.h>
#include <elf.h>

#include <cstdint>

namespace spillway {
namespace {

struct Tables {
  const ElfW(Sym) * symbols = nullptr;
  const char* strings = nullptr;
  const uint16_t* versions = nullptr;
  const uint32_t* gnu_hash = nullptr;
  const uint32_t* sysv_hash = nullptr;
};

Tables tables_of(const link_map& object) noexcept {
  Tables tables;
  for (const ElfW(Dyn)* entry = object.l_ld; entry != nullptr && entry->d_tag != DT_NULL; ++entry) {
    // The linker relocates these in place, except where the dynamic section is read-only (vDSO).
    ElfW(Addr) at = entry->d_un.d_ptr;
    if (at < object.l_addr) at += object.l_addr;
    switch (entry->d_tag) {
      case DT_SYMTAB:
        tables.symbols = reinterpret_cast<const ElfW(Sym)*>(at);
        break;
      case DT_STRTAB:
        tables.strings = reinterpret_cast<const char*>(at);
        break;
      case DT_VERSYM:
        tables.versions = reinterpret_cast<const uint16_t*>(at);
        break;
      case DT_GNU_HASH:
        tables.gnu_hash = reinterpret_cast<const uint32_t*>(at);
        break;
      case DT_HASH:
        tables.sysv_hash = reinterpret_cast<const uint32_t*>(at);
        break;
      default:
        break;
    }
  }
  return tables;
}

bool is_default_definition(const Tables& tables, uint32_t index, const char* name) noexcept {
  constexpr uint16_t kHidden = 0x8000;
  const ElfW(Sym)& symbol = tables.symbols[index];
  const int type = symbol.st_info & 0xf;
  return symbol.st_shndx != SHN_UNDEF &&
         (type == STT_FUNC || type == STT_OBJECT || type == STT_NOTYPE) &&
         (tables.versions == nullptr || (tables.versions[index] & kHidden) == 0) &&
         same(tables.strings + symbol.st_name, name);
}

uint32_t search_gnu(const Tables& tables, const char* name) noexcept {
  uint32_t hash = 5381;
  for (const char* c = name; *c != '\0'; ++c) hash = hash * 33 + static_cast<unsigned char>(*c);
  const uint32_t buckets = tables.gnu_hash[0];
  const uint32_t first = tables.gnu_hash[1];
  const uint32_t bloom_words = tables.gnu_hash[2];
  const uint32_t* bucket =
      tables.gnu_hash + 4 + size_t{bloom_words} * (sizeof(ElfW(Addr)) / sizeof(uint32_t));
  const uint32_t* chain = bucket + buckets;
  if (buckets == 0) return 0;
  uint32_t index = bucket[hash % buckets];
  if (index < first) return 0;
  for (;; ++index) {
    const uint32_t link = chain[index - first];
    if ((link | 1) == (hash | 1) && is_default_definition(tables, index, name)) return index;
    if ((link & 1) != 0) return 0;  // the last of its chain
  }
}

uint32_t search_sysv(const Tables& tables, const char* name) noexcept {
  uint32_t hash = 0;
  for (const char* c = name; *c != '\0'; ++c) {
    hash = (hash << 4) + static_cast<unsigned char>(*c);
    hash ^= (hash & 0xf0000000U) >> 24;
    hash &= 0x0fffffffU;
  }
  const uint32_t buckets = tables.sysv_hash[0];
  const uint32_t* bucket = tables.sysv_hash + 2;
  const uint32_t* chain = bucket + buckets;
  if (buckets == 0) return 0;
  for (uint32_t index = bucket[hash % buckets]; index != 0; index = chain[index]) {
    if (is_default_definition(tables, index, name)) return index;
  }
  return 0;
}

}  // namespace

void* find_in_object(const link_map& object, const char* name) noexcept {
  const Tables tables = tables_of(object);
  if (tables.symbols == nullptr || tables.strings == nullptr) return nullptr;
  uint32_t index = 0;
  if (tables.gnu_hash != nullptr) {
    index = search_gnu(tables, name);
  } else if (tables.sysv_hash != nullptr) {
    index = search_sysv(tables, name);
  }
  if (index == 0) return nullptr;
  return reinterpret_cast<void*>(object.l_addr + tables.symbols[index].st_value);
}

const link_map* object_of(const void* address) noexcept {
  Dl_info info;
  void* object = nullptr;
  if (dladdr1(address, &info, &object, RTLD_DL_LINKMAP) == 0) return nullptr;
  return static_cast<const link_map*>(object);
}

void* find_after(const void* caller, const char* name) noexcept {
  const link_map* object = object_of(caller);
  if (object == nullptr) return nullptr;
  while ((object = object->l_next) != nullptr) {
    if (void* found = find_in_object(*object, name)) return found;
  }
  return nullptr;
}

}  // namespace spillway
