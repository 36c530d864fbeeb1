# Everything the build takes from outside, as imported targets. The packages are listed in packages.txt; DuckDB comes
# from npm (package-lock.json) unless a system DuckDB is found.
find_package(OpenMP REQUIRED)
find_package(Threads REQUIRED)
find_package(fmt REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(CLI11 REQUIRED)
find_package(tomlplusplus REQUIRED)
find_package(Eigen3 REQUIRED NO_MODULE)
find_package(Boost 1.74 REQUIRED)  # headers alone: Beast and Asio
find_package(OpenSSL REQUIRED COMPONENTS Crypto)
find_package(RocksDB REQUIRED)
find_package(prometheus-cpp REQUIRED)

function(neume_imported_library target header library)
  string(MAKE_C_IDENTIFIER ${target} id)
  find_path(${id}_INCLUDE ${header} ${ARGN})
  find_library(${id}_LIBRARY ${library} ${ARGN})
  if(NOT ${id}_INCLUDE OR NOT ${id}_LIBRARY)
    message(FATAL_ERROR "${target}: header ${header} or library ${library} not found; run ./setup first")
  endif()
  add_library(${target} UNKNOWN IMPORTED GLOBAL)
  set_target_properties(${target} PROPERTIES IMPORTED_LOCATION ${${id}_LIBRARY})
  target_include_directories(${target} SYSTEM INTERFACE ${${id}_INCLUDE})
endfunction()

# Debian's dnnl package configuration asks for OpenCL, which the CPU library does not need.
neume_imported_library(dnnl::dnnl oneapi/dnnl/dnnl.h dnnl)
neume_imported_library(hwy::hwy hwy/highway.h hwy)
neume_imported_library(xxhash::xxhash xxhash.h xxhash)
neume_imported_library(hiredis::hiredis hiredis/hiredis.h hiredis)

find_package(DuckDB QUIET CONFIG)
if(NOT TARGET DuckDB::DuckDB)
  set(npm_parts ${CMAKE_SOURCE_DIR}/node_modules)
  neume_imported_library(DuckDB::DuckDB duckdb.h duckdb
    HINTS ${npm_parts}/duckdb/src/duckdb/src/include ${npm_parts}/@duckdb/node-bindings-linux-x64)
endif()
