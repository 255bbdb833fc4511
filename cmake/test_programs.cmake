# The two kinds of executables that a test beside CTest is made of.

# test_job(name source... [IMAGE kernels] [LIBRARIES ...]): a driver-API program that knows nothing of
# us, in build/programs. IMAGE: a cuda_kernel_image that it includes.
function(test_job name)
  cmake_parse_arguments(job "" "IMAGE" "LIBRARIES" ${ARGN})
  add_executable(${name} ${job_UNPARSED_ARGUMENTS})
  if(job_IMAGE)
    add_dependencies(${name} ${job_IMAGE}_image)
    target_include_directories(${name} PRIVATE ${CMAKE_BINARY_DIR}/kernels)
  endif()
  target_link_libraries(${name} PRIVATE ${job_LIBRARIES} spillway_flags cuda_headers
                        ${CUDA_HOME}/lib64/stubs/libcuda.so)
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/programs)
endfunction()

# test_runner(name source... [LIBRARIES ...] [RUNS target...]): starts such programs, with and without
# the library, and judges; in build/tests.
function(test_runner name)
  cmake_parse_arguments(runner "" "" "LIBRARIES;RUNS" ${ARGN})
  find_package(nlohmann_json REQUIRED)
  add_executable(${name} ${runner_UNPARSED_ARGUMENTS})
  target_link_libraries(${name} PRIVATE ${runner_LIBRARIES} test_support test_arguments test_flags
                        nlohmann_json::nlohmann_json)
  target_precompile_headers(${name} REUSE_FROM precompiled_tests)
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  if(runner_RUNS)
    add_dependencies(${name} ${runner_RUNS})
  endif()
endfunction()
