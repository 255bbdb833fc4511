# spillway_fmt: fmt for everything here, linked statically. Debian has no archive of it to link.
find_package(fmt REQUIRED)
if(fmt_VERSION VERSION_GREATER_EQUAL 9 AND fmt_VERSION VERSION_LESS 10)
  add_library(spillway_fmt STATIC cmake/fmt.cpp)
  target_link_libraries(spillway_fmt PRIVATE spillway_flags)
  target_include_directories(spillway_fmt SYSTEM PUBLIC
    $<TARGET_PROPERTY:fmt::fmt-header-only,INTERFACE_INCLUDE_DIRECTORIES>)
else()  # what is left to the library differs between versions: from the headers, slower to compile
  add_library(spillway_fmt INTERFACE)
  target_link_libraries(spillway_fmt INTERFACE fmt::fmt-header-only)
endif()
