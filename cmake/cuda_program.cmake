# Test programs as a user would build them: they know nothing of us.

# cuda_runtime_program(name source... [HOST -O0] [OPTIONS nvcc-option...]): `nvcc -cudart shared`, PTX inside, so
# that the same binary runs on the simulator (libcuda.so.1 and libcudart.so.13 of build/sim on
# LD_LIBRARY_PATH) and on a GPU. HOST: how the host code is optimised, -O2 unless said otherwise.
function(cuda_runtime_program name)
  cmake_parse_arguments(program "" "HOST" "OPTIONS" ${ARGN})
  if(NOT program_HOST)
    set(program_HOST -O2)
  endif()
  set(out ${CMAKE_BINARY_DIR}/programs/${name})
  set(sources)
  foreach(source ${program_UNPARSED_ARGUMENTS})
    get_filename_component(absolute ${source} ABSOLUTE)
    list(APPEND sources ${absolute})
  endforeach()
  if(SPILLWAY_SANITIZE STREQUAL "thread")
    list(APPEND sources ${CMAKE_SOURCE_DIR}/cmake/nvcc_stubs.cpp)
  endif()
  string(JOIN "," host_flags -Wall -Wextra ${SPILLWAY_SANITIZE_FLAGS})
  add_custom_command(OUTPUT ${out}
    COMMAND ${CUDA_HOME}/bin/nvcc -std=c++17 ${program_HOST} -cudart shared -gencode
            arch=compute_75,code=compute_75 -Xcompiler "${host_flags}" ${program_OPTIONS}
            -MD -MF ${out}.d -MT programs/${name} -o ${out} ${sources}
    DEPENDS ${sources} DEPFILE ${out}.d COMMENT "nvcc ${name}" VERBATIM)
  add_custom_target(${name} ALL DEPENDS ${out})
endfunction()

# cuda_kernel_image(name source [arch]): PTX of a .cu file as build/kernels/<name>.ptx, and as a C array
# `const unsigned char <name>_ptx[]` (zero-terminated) with `<name>_ptx_size` in <name>_ptx.h,
# in the include path ${CMAKE_BINARY_DIR}/kernels.
function(cuda_kernel_image name source)
  set(arch compute_75)
  if(ARGC GREATER 2)
    set(arch ${ARGV2})
  endif()
  get_filename_component(absolute ${source} ABSOLUTE)
  set(ptx ${CMAKE_BINARY_DIR}/kernels/${name}.ptx)
  set(header ${CMAKE_BINARY_DIR}/kernels/${name}_ptx.h)
  add_custom_command(OUTPUT ${ptx} ${header}
    COMMAND ${CMAKE_COMMAND} -E make_directory ${CMAKE_BINARY_DIR}/kernels
    COMMAND ${CUDA_HOME}/bin/nvcc -std=c++17 -ptx -arch=${arch} -o ${ptx} ${absolute}
    COMMAND ${CMAKE_COMMAND} -DINPUT=${ptx} -DOUTPUT=${header} -DSYMBOL=${name}_ptx
            -P ${CMAKE_SOURCE_DIR}/cmake/embed.cmake
    DEPENDS ${absolute} ${CMAKE_SOURCE_DIR}/cmake/embed.cmake COMMENT "nvcc -ptx ${name}" VERBATIM)
  add_custom_target(${name}_image DEPENDS ${ptx} ${header})
endfunction()
