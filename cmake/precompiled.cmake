# Headers parsed once, which halves the time of a build. A precompiled header fits only sources with
# the same options, so there are two: one for what is optimised, one for test programs. To try
# sources without: -DCMAKE_DISABLE_PRECOMPILE_HEADERS=ON.
set(empty ${CMAKE_BINARY_DIR}/precompiled.cpp)
if(NOT EXISTS ${empty})
  file(WRITE ${empty} "")
endif()

add_library(precompiled OBJECT ${empty})
target_link_libraries(precompiled PRIVATE spillway_flags spillway_fmt)
target_precompile_headers(precompiled PRIVATE cmake/precompiled.h)

find_package(GTest REQUIRED)
# Test programs: compiled quickly, with the optimiser's warnings, and to be debugged.
add_library(test_flags INTERFACE)
target_compile_options(test_flags INTERFACE $<IF:$<CXX_COMPILER_ID:Clang>,-O1,-Og>
  # What GoogleTest wants, also where it is not linked: or those could not share.
  $<TARGET_PROPERTY:GTest::gtest,INTERFACE_COMPILE_OPTIONS>)
target_compile_definitions(test_flags INTERFACE
  $<TARGET_PROPERTY:GTest::gtest,INTERFACE_COMPILE_DEFINITIONS>)
target_link_libraries(test_flags INTERFACE spillway_flags)

find_package(nlohmann_json REQUIRED)
add_library(precompiled_tests OBJECT ${empty})
target_link_libraries(precompiled_tests PRIVATE test_flags spillway_fmt GTest::gmock
                      nlohmann_json::nlohmann_json)
target_precompile_headers(precompiled_tests PRIVATE cmake/precompiled_tests.h)
