# Makes every target below link gRPC, Protobuf and Abseil as archives, all three or none of them: a program may have one
# Abseil only. What one of them calls of another then needs no table of addresses, see docs/PERFORMANCE.md.
get_property(imported DIRECTORY PROPERTY IMPORTED_TARGETS)
list(FILTER imported INCLUDE REGEX "^(gRPC|protobuf|absl)::")
foreach(target IN LISTS imported)
  foreach(property IMPORTED_LOCATION IMPORTED_LOCATION_NONE IMPORTED_LOCATION_RELEASE)
    get_target_property(library ${target} ${property})
    string(REGEX REPLACE "\\.so[.0-9]*$" ".a" archive "${library}")
    if(library AND NOT library STREQUAL archive AND EXISTS ${archive})
      set_target_properties(${target} PROPERTIES ${property} ${archive})
    endif()
  endforeach()
endforeach()
