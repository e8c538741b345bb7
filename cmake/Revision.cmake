# unwind_revision: an object that says which commit a program is built from (common/base/version.h), made anew after each
# commit. As a script, with OUT, it writes that object's source.
if(CMAKE_SCRIPT_MODE_FILE)
  execute_process(COMMAND git rev-parse --short=12 HEAD OUTPUT_VARIABLE revision OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  if(NOT revision)
    set(revision unknown)
  endif()
  file(WRITE ${OUT} "#include \"common/base/version.h\"\n"
                    "namespace unwind {\nconst char* Revision() { return \"${revision}\"; }\n}\n")
  return()
endif()

# Git's log of HEAD grows with every commit, checkout and reset.
execute_process(COMMAND git rev-parse --path-format=absolute --git-path logs/HEAD WORKING_DIRECTORY ${CMAKE_SOURCE_DIR}
                OUTPUT_VARIABLE git_log OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
if(NOT EXISTS "${git_log}")
  set(git_log)
endif()
add_custom_command(
  OUTPUT ${CMAKE_BINARY_DIR}/revision.cc
  COMMAND ${CMAKE_COMMAND} -DOUT=${CMAKE_BINARY_DIR}/revision.cc -P ${CMAKE_CURRENT_LIST_FILE}
  DEPENDS ${CMAKE_CURRENT_LIST_FILE} ${git_log}
  WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
add_library(unwind_revision OBJECT ${CMAKE_BINARY_DIR}/revision.cc)
target_link_libraries(unwind_revision PRIVATE unwind_options)
