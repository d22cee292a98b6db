# The library names its fields and functions, never a tool or its options (tools/option_names.h maps the one to the other): in
# its comments and texts there is no --option and no minillm-TOOL. Run by ctest: cmake -DSOURCE=<root> -P names_test.cmake
cmake_minimum_required(VERSION 3.25)

# A flag in a comment or in a string (elsewhere -- is an operator), or a tool anywhere.
set(flag "--[a-z][a-z]")
set(pattern "//(.*[^-a-z])?${flag}|/[*].*[^-a-z]${flag}|^([^\"]*\"[^\"]*\")*[^\"]*\"([^\"]*[^-a-z\"])?${flag}")
string(APPEND pattern "|minillm-(pretrain|sft|dpo|reward|rl|constitution|generate|eval|compare|report|tokenizer|inspect|export|import|notes|world|bench|serve)")

set(violations "")
file(GLOB_RECURSE sources RELATIVE ${SOURCE}/libminillm ${SOURCE}/libminillm/*.h ${SOURCE}/libminillm/*.cc)
list(LENGTH sources count)
foreach(source IN LISTS sources)
  if(source MATCHES "^doc/")
    continue()
  endif()
  file(STRINGS ${SOURCE}/libminillm/${source} lines REGEX "${pattern}")
  foreach(line IN LISTS lines)
    list(APPEND violations "libminillm/${source}: name the field, not the option or tool: ${line}")
  endforeach()
endforeach()
if(count LESS 100)
  message(FATAL_ERROR "only ${count} files were found under ${SOURCE}/libminillm: is the path right?")
endif()
if(violations)
  string(REPLACE ";" "\n" violations "${violations}")
  message(FATAL_ERROR "${violations}")
endif()
