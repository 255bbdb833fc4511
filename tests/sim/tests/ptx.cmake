# The PTX library: kernels that nvcc compiled, and single instructions written by hand.
set(ptx_kernels ${CMAKE_BINARY_DIR}/kernels/ptx)
set(ptx_outputs)
# ptx_kernel(output source flags...)
function(ptx_kernel output source)
  add_custom_command(OUTPUT ${ptx_kernels}/${output}
    COMMAND ${CMAKE_COMMAND} -E make_directory ${ptx_kernels}
    COMMAND ${CUDA_HOME}/bin/nvcc -std=c++17 -I${CMAKE_SOURCE_DIR} ${ARGN} -o ${ptx_kernels}/${output}
            ${CMAKE_CURRENT_LIST_DIR}/kernels/${source}
    DEPENDS ${CMAKE_CURRENT_LIST_DIR}/kernels/${source} ${CMAKE_CURRENT_LIST_DIR}/kernels/ptx_flow.h
    COMMENT "nvcc ${output}" VERBATIM)
  set(ptx_outputs ${ptx_outputs} ${ptx_kernels}/${output} PARENT_SCOPE)
endfunction()
ptx_kernel(basic.ptx ptx_basic.cu -ptx -arch=compute_75)
ptx_kernel(flow.ptx ptx_flow.cu -ptx -arch=compute_75)
ptx_kernel(flow_debug.ptx ptx_flow.cu -ptx -G -arch=compute_75)
ptx_kernel(modern.ptx ptx_modern.cu -ptx -arch=compute_90)
ptx_kernel(bulk.ptx ptx_bulk.cu -ptx -arch=compute_90)
set(two -fatbin -gencode arch=compute_75,code=compute_75 -gencode arch=compute_90,code=compute_90)
ptx_kernel(images.fatbin ptx_images.cu ${two})
ptx_kernel(images_plain.fatbin ptx_images.cu ${two} --no-compress)
add_custom_target(ptx_test_kernels DEPENDS ${ptx_outputs})

file(GLOB ptx_sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_LIST_DIR}/ptx_*.cpp)
list(FILTER ptx_sources EXCLUDE REGEX ptx_bench)
add_executable(sim_ptx_tests ${ptx_sources})
target_link_libraries(sim_ptx_tests PRIVATE test_flags sim_ptx GTest::gtest_main Threads::Threads)
target_compile_definitions(sim_ptx_tests PRIVATE PTX_KERNELS="${ptx_kernels}")
target_compile_options(sim_ptx_tests PRIVATE -ffp-contract=off)
target_precompile_headers(sim_ptx_tests REUSE_FROM precompiled_tests)
set_target_properties(sim_ptx_tests PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
add_dependencies(sim_ptx_tests ptx_test_kernels)

add_executable(sim_ptx_bench ptx_bench.cpp)
target_link_libraries(sim_ptx_bench PRIVATE spillway_flags sim_ptx)
target_compile_definitions(sim_ptx_bench PRIVATE PTX_KERNELS="${ptx_kernels}")
set_target_properties(sim_ptx_bench PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
add_dependencies(sim_ptx_bench ptx_test_kernels)

add_test(NAME sim_ptx_tests COMMAND sim_ptx_tests)
set_tests_properties(sim_ptx_tests PROPERTIES TIMEOUT 300 LABELS sim)
# The copy of the core for old CPUs must compute the same bits.
add_test(NAME sim_ptx_tests_baseline COMMAND sim_ptx_tests)
set_tests_properties(sim_ptx_tests_baseline PROPERTIES TIMEOUT 300 LABELS sim
                     ENVIRONMENT SIMCUDA_CORE=baseline)
