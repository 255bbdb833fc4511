# Tests of the execution side: every schedule seed is a process of its own.
file(GLOB exec_sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_LIST_DIR}/exec_*_test.cpp)
add_executable(sim_exec_test ${exec_sources})
target_compile_definitions(sim_exec_test PRIVATE __CUDA_API_VERSION_INTERNAL)
target_link_libraries(sim_exec_test PRIVATE test_flags cuda_headers simcuda GTest::gtest_main
  nlohmann_json::nlohmann_json Threads::Threads)
target_precompile_headers(sim_exec_test REUSE_FROM precompiled_tests)
set_target_properties(sim_exec_test PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
foreach(seed RANGE 9)
  add_test(NAME sim_exec_seed_${seed} COMMAND sim_exec_test)
  set_tests_properties(sim_exec_seed_${seed} PROPERTIES
    ENVIRONMENT "SIMCUDA_SEED=${seed}" TIMEOUT 300 LABELS sim)
endforeach()
