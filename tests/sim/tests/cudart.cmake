# Tests of libcudart.so.13: programs as a user would build them, each under several schedules.
if(NOT TARGET simcudart)
  return()
endif()
set(gtest_link -I${CMAKE_SOURCE_DIR}/tests/sim/tests -lgtest -lgtest_main)
cuda_runtime_program(cudart_launch cudart_launch.cu cudart_launch_more.cu HOST -O0 OPTIONS ${gtest_link})
cuda_runtime_program(cudart_memory cudart_memory.cu HOST -O0 OPTIONS ${gtest_link})
cuda_runtime_program(cudart_streams cudart_streams.cu HOST -O0 OPTIONS ${gtest_link})
cuda_runtime_program(cudart_graphs cudart_graphs.cu HOST -O0 OPTIONS ${gtest_link})
cuda_runtime_program(cudart_errors cudart_errors.cu HOST -O0 OPTIONS ${gtest_link})
cuda_runtime_program(cudart_per_thread cudart_per_thread.cu HOST -O0 OPTIONS ${gtest_link}
                     --default-stream per-thread)

foreach(name launch memory streams graphs errors per_thread)
  foreach(seed 0 1 2)
    add_test(NAME sim.cudart_${name}.seed${seed} COMMAND ${CMAKE_BINARY_DIR}/programs/cudart_${name})
    set_tests_properties(sim.cudart_${name}.seed${seed} PROPERTIES TIMEOUT 120
      ENVIRONMENT "LD_LIBRARY_PATH=${CMAKE_BINARY_DIR}/sim;SIMCUDA_SEED=${seed}")
  endforeach()
endforeach()

add_test(NAME sim.cudart_exports COMMAND python3 ${CMAKE_CURRENT_LIST_DIR}/cudart_exports.py
         ${CMAKE_NM} $<TARGET_FILE:simcudart> ${CUDA_HOME}/lib64/libcudart.so.13)
