# Memory, contexts, devices and symbols of the simulated driver: programs that break each rule.
file(GLOB space_sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_LIST_DIR}/space_*.cpp)
# The look-ups of CUDA 13.0's runtime are asked again, one by one.
set_property(SOURCE ${CMAKE_CURRENT_LIST_DIR}/space_lookup.cpp APPEND PROPERTY OBJECT_DEPENDS
             ${CMAKE_CURRENT_LIST_DIR}/space_lookup.def)
add_executable(sim_space_tests ${space_sources})
target_link_libraries(sim_space_tests PRIVATE test_flags cuda_headers simcuda GTest::gtest
                      Threads::Threads ${CMAKE_DL_LIBS})
target_precompile_headers(sim_space_tests REUSE_FROM precompiled_tests)
set_target_properties(sim_space_tests PROPERTIES
                      RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
add_test(NAME sim_space_tests COMMAND sim_space_tests)
add_test(NAME sim_space_entries COMMAND python3
         ${CMAKE_CURRENT_LIST_DIR}/space_entries.py ${CMAKE_SOURCE_DIR}/tests/sim/driver)
