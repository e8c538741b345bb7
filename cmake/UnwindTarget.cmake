# unwind_library(), unwind_binary(), unwind_server(), unwind_test(), unwind_embed(), unwind_crash_points(),
# unwind_uses_regex() and unwind_uses_mimalloc(): the only build macros.

add_library(unwind_options INTERFACE)
target_include_directories(unwind_options INTERFACE ${CMAKE_SOURCE_DIR})
target_compile_options(unwind_options INTERFACE -fstack-protector-strong)
# A test is linked in a quarter of the time, and there are many.
find_program(GOLD_LINKER ld.gold)
if(GOLD_LINKER AND CMAKE_BUILD_TYPE STREQUAL "Dev")
  target_link_options(unwind_options INTERFACE -fuse-ld=gold)
endif()
if(UNWIND_SANITIZE)
  # Without vptr: it needs type information that Debian's SOCI hides, and would not link.
  target_compile_options(unwind_options INTERFACE -fsanitize=${UNWIND_SANITIZE} -fno-sanitize=vptr
                                                  -fno-omit-frame-pointer -g1)
  target_link_options(unwind_options INTERFACE -fsanitize=${UNWIND_SANITIZE})
endif()

set(UNWIND_WARNINGS
    -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wnon-virtual-dtor -Wold-style-cast -Wswitch-enum -Werror)

# unwind_uses_regex(target): under AddressSanitizer gcc 12 believes that std::regex reads what it has not set.
function(unwind_uses_regex target)
  if(UNWIND_SANITIZE)
    target_compile_options(${target} PRIVATE -Wno-maybe-uninitialized)
  endif()
endfunction()

if(UNWIND_SANITIZE MATCHES thread)
  list(APPEND UNWIND_WARNINGS -Wno-tsan)  # gRPC's and prometheus-cpp's headers use fences, which it cannot follow
endif()

# unwind_crash_points(FILE...): the files of this folder that have crash points. Only they are built with the option.
function(unwind_crash_points)
  if(UNWIND_CRASH_POINTS)
    set_property(SOURCE ${ARGN} APPEND PROPERTY COMPILE_DEFINITIONS UNWIND_CRASH_POINTS)
  endif()
endfunction()

# unwind_library(name SRCS ... DEPS ...): a static library with our warnings.
function(unwind_library name)
  cmake_parse_arguments(arg "" "" "SRCS;DEPS" ${ARGN})
  add_library(${name} STATIC ${arg_SRCS})
  target_compile_options(${name} PRIVATE ${UNWIND_WARNINGS})
  target_link_libraries(${name} PUBLIC unwind_options ${arg_DEPS})
endfunction()

# unwind_binary(name SRCS ... DEPS ...): an executable, put into ${CMAKE_BINARY_DIR}/bin.
function(unwind_binary name)
  cmake_parse_arguments(arg "" "" "SRCS;DEPS" ${ARGN})
  add_executable(${name} ${arg_SRCS})
  target_compile_options(${name} PRIVATE ${UNWIND_WARNINGS})
  target_link_libraries(${name} PRIVATE unwind_options ${arg_DEPS})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
endfunction()

# unwind_uses_mimalloc(target): its memory comes from there, but a sanitizer has its own.
function(unwind_uses_mimalloc target)
  if(NOT UNWIND_SANITIZE)
    target_link_libraries(${target} PRIVATE -Wl,--no-as-needed mimalloc -Wl,--as-needed)
  endif()
endfunction()

# unwind_server(name SRCS ... DEPS ...): a program that is shipped. On mimalloc, for what one thread allocates another
# frees, which costs glibc's malloc a sixth of the processor time of a saga.
function(unwind_server name)
  unwind_binary(${name} ${ARGN})
  target_sources(${name} PRIVATE $<TARGET_OBJECTS:unwind_revision>)
  unwind_uses_mimalloc(${name})
endfunction()

# The tests that ThreadSanitizer can judge: no gRPC in them, which Debian ships without its instrumentation.
add_custom_target(threads_tests)
# What AddressSanitizer looks at: all tests but those of whole processes, which the crash matrix among them stands for.
add_custom_target(sanitized_tests)

# unwind_test(name [EVERY_STORE] LABELS ... SRCS ... DEPS ...): a GoogleTest binary that ctest runs as one test, or as one
# for each kind of database (see tests/support/test_database.h). ./run lets ctest fill three places for each processor: a
# test takes all of them, but one of whole processes (labels e2e and crash), which waits most of its time, takes one.
function(unwind_test name)
  cmake_parse_arguments(arg "EVERY_STORE" "" "SRCS;DEPS;LABELS" ${ARGN})
  add_executable(${name} ${arg_SRCS})
  # Test code itself is not optimised: most of a cold build would go into that.
  target_compile_options(${name} PRIVATE ${UNWIND_WARNINGS} -Wno-old-style-cast -O0)
  target_link_libraries(${name} PRIVATE unwind_options ${arg_DEPS} GTest::gmock GTest::gtest_main)
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  add_test(NAME ${name} COMMAND ${name} WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  if(NOT e2e IN_LIST arg_LABELS)
    add_dependencies(sanitized_tests ${name})
  endif()
  if(threads IN_LIST arg_LABELS)
    add_dependencies(threads_tests ${name})
  endif()
  set(places 3)
  if("e2e" IN_LIST arg_LABELS OR "crash" IN_LIST arg_LABELS)
    set(places 1)
  endif()
  set_tests_properties(${name} PROPERTIES LABELS "${arg_LABELS}" TIMEOUT 900 PROCESSORS ${places})
  if(arg_EVERY_STORE)
    add_test(NAME ${name}_on_postgres COMMAND ${name} WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
    set_tests_properties(${name}_on_postgres PROPERTIES LABELS "${arg_LABELS};postgres" TIMEOUT 900 PROCESSORS ${places}
                                                        ENVIRONMENT UNWIND_TEST_STORE=postgres)
  endif()
endfunction()

# unwind_embed(target variable FILES ...): compiles text files into `target` as
#   extern const std::vector<std::pair<std::string, std::string>> variable;   // (folder/file, contents), in FILES order
function(unwind_embed target variable)
  cmake_parse_arguments(arg "" "" "FILES" ${ARGN})
  set(out ${CMAKE_CURRENT_BINARY_DIR}/${variable}.cc)
  set(body "#include <string>\n#include <utility>\n#include <vector>\n")
  string(APPEND body "extern const std::vector<std::pair<std::string, std::string>> ${variable};\n")
  string(APPEND body "const std::vector<std::pair<std::string, std::string>> ${variable} = {\n")
  foreach(file ${arg_FILES})
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${file})
    file(READ ${CMAKE_CURRENT_SOURCE_DIR}/${file} text)
    get_filename_component(base ${file} NAME)
    get_filename_component(folder ${file} DIRECTORY)
    get_filename_component(folder "${folder}" NAME)
    string(APPEND body "    {\"${folder}/${base}\", R\"__embed__(${text})__embed__\"},\n")
  endforeach()
  string(APPEND body "};\n")
  file(CONFIGURE OUTPUT ${out} CONTENT "${body}" @ONLY)
  target_sources(${target} PRIVATE ${out})
endfunction()
