# cmake -DINPUT=file -DOUTPUT=header -DSYMBOL=name -P embed.cmake: a file as a zero-terminated C array.
file(READ ${INPUT} hex HEX)
string(LENGTH "${hex}" digits)
math(EXPR size "${digits} / 2")
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
file(WRITE ${OUTPUT} "#pragma once\n#include <cstddef>\n"
  "static const unsigned char ${SYMBOL}[] = {${bytes}0};\n"
  "static const size_t ${SYMBOL}_size = ${size};\n")
