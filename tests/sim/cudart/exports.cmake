# cmake -DNM=nm -DREAL=libcudart.so.13 -DSTUBS=stubs.cpp -DVERSIONS=exports.map -P exports.cmake
# From the symbols that NVIDIA's runtime exports: a weak definition of each function, which answers
# cudaErrorNotSupported and says its name once unless a file of ours defines it, and the version script.
execute_process(COMMAND ${NM} -D --defined-only ${REAL} OUTPUT_VARIABLE symbols
                RESULT_VARIABLE status)
if(status)
  message(FATAL_ERROR "cannot list the symbols of ${REAL}")
endif()
string(REGEX MATCHALL "T [A-Za-z_][A-Za-z0-9_]*" functions "${symbols}")
list(TRANSFORM functions REPLACE "^T " "")
list(SORT functions)
set(stubs "#include \"tests/sim/cudart/state.h\"\nextern \"C\" {\n")
set(map "libcudart.so.13 {\n  global:\n")
foreach(name ${functions})
  string(APPEND stubs "__attribute__((weak, visibility(\"default\"))) int ${name}() { "
                      "return sim::cudart::missing(\"${name}\"); }\n")
  string(APPEND map "    ${name};\n")
endforeach()
file(WRITE ${STUBS} "${stubs}}\n")
file(WRITE ${VERSIONS} "${map}  local: *;\n};\n")
