# SOCI 4.0.3 in Debian ships neither a CMake config nor a .pc file.
# Its headers need libboost-dev, which libsoci-dev does not depend on.
find_path(SOCI_INCLUDE_DIR soci/soci.h)
find_library(SOCI_CORE_LIBRARY soci_core)
find_library(SOCI_SQLITE3_LIBRARY soci_sqlite3)
find_library(SOCI_POSTGRESQL_LIBRARY soci_postgresql)

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(
  SOCI REQUIRED_VARS SOCI_CORE_LIBRARY SOCI_SQLITE3_LIBRARY SOCI_POSTGRESQL_LIBRARY SOCI_INCLUDE_DIR)

if(SOCI_FOUND AND NOT TARGET SOCI::SQLite3)
  add_library(SOCI::Core INTERFACE IMPORTED)
  set_target_properties(SOCI::Core PROPERTIES INTERFACE_INCLUDE_DIRECTORIES ${SOCI_INCLUDE_DIR}
                                              INTERFACE_LINK_LIBRARIES ${SOCI_CORE_LIBRARY})
  add_library(SOCI::SQLite3 INTERFACE IMPORTED)
  set_target_properties(SOCI::SQLite3 PROPERTIES INTERFACE_LINK_LIBRARIES "${SOCI_SQLITE3_LIBRARY};SOCI::Core")
  add_library(SOCI::PostgreSQL INTERFACE IMPORTED)
  set_target_properties(SOCI::PostgreSQL PROPERTIES
    INTERFACE_LINK_LIBRARIES "${SOCI_POSTGRESQL_LIBRARY};SOCI::Core;PostgreSQL::PostgreSQL")
endif()
