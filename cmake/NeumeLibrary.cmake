# The library for other programs, and `cmake --install`: libneume.so with the public headers of stage 1 and what
# find_package(neume) and pkg-config need, and the program.
#
# libneume.so is made of the sources that define what the public headers declare; the linker takes from our other
# libraries what these need and no more. It exports the public API alone (libneume.map), so who links it needs no -dev
# package of its parts.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(public_headers error execution fit_statistics item_ids matrix options progress quantizer semantic_ids)
set(public_sources
  "$<FILTER:$<TARGET_OBJECTS:neume_base>,INCLUDE,/(item_ids|matrix)[.]cpp[.]o$>"
  "$<FILTER:$<TARGET_OBJECTS:neume_kernels>,INCLUDE,/execution[.]cpp[.]o$>"
  "$<FILTER:$<TARGET_OBJECTS:neume_quantize>,INCLUDE,/quantizer(_file)?[.]cpp[.]o$>")
set(parts neume_quantize neume_eval neume_nn neume_data neume_kernels neume_base)

foreach(part ${parts})
  set_target_properties(${part} PROPERTIES POSITION_INDEPENDENT_CODE ON)
  # Our own functions cannot be replaced from outside, so the compiler may put one into another as in a program.
  target_compile_options(${part} PRIVATE -fno-semantic-interposition)
endforeach()

set(export_map ${CMAKE_CURRENT_LIST_DIR}/libneume.map)
add_library(neume_library SHARED ${public_sources})
set_target_properties(neume_library PROPERTIES
  OUTPUT_NAME neume EXPORT_NAME neume LINKER_LANGUAGE CXX LINK_DEPENDS ${export_map}
  VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR})
# Our libraries as files, without what they link: nothing here needs DuckDB, and where something begins to, the link
# fails. (DuckDB's library also exports the C++ standard library's symbols, so --as-needed would keep it.)
foreach(part ${parts})
  target_link_libraries(neume_library PRIVATE $<TARGET_FILE:${part}>)
  add_dependencies(neume_library ${part})
endforeach()
target_link_libraries(neume_library PRIVATE dnnl::dnnl hwy::hwy fmt::fmt xxhash::xxhash OpenMP::OpenMP_CXX)
target_link_options(neume_library PRIVATE
  -Wl,--gc-sections -Wl,--no-undefined -Wl,--version-script=${export_map})
target_compile_features(neume_library INTERFACE cxx_std_20)
target_include_directories(neume_library INTERFACE $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)

# A DuckDB that is not the system's goes with the program, where no other program finds it.
set(own_parts ${CMAKE_INSTALL_LIBDIR}/neume)
set_target_properties(neume PROPERTIES INSTALL_RPATH "$ORIGIN/../${own_parts}")
if(DuckDB__DuckDB_LIBRARY)
  install(FILES ${DuckDB__DuckDB_LIBRARY} DESTINATION ${own_parts})
  get_filename_component(duckdb_folder ${DuckDB__DuckDB_LIBRARY} DIRECTORY)
  install(FILES ${duckdb_folder}/LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR} RENAME LICENSE.duckdb OPTIONAL)
endif()

install(TARGETS neume_library EXPORT neumeTargets)
install(TARGETS neume)
foreach(header ${public_headers})
  install(FILES ${CMAKE_SOURCE_DIR}/include/neume/${header}.hpp DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/neume)
endforeach()
install(FILES ${CMAKE_SOURCE_DIR}/LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})

set(config_folder ${CMAKE_INSTALL_LIBDIR}/cmake/neume)
install(EXPORT neumeTargets NAMESPACE neume:: DESTINATION ${config_folder})
file(WRITE ${CMAKE_BINARY_DIR}/neumeConfig.cmake "include(\${CMAKE_CURRENT_LIST_DIR}/neumeTargets.cmake)\n")
# Before 1.0 every 0.x may break what was built with another.
write_basic_package_version_file(${CMAKE_BINARY_DIR}/neumeConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/neumeConfig.cmake ${CMAKE_BINARY_DIR}/neumeConfigVersion.cmake
        DESTINATION ${config_folder})
configure_file(${CMAKE_CURRENT_LIST_DIR}/neume.pc.in ${CMAKE_BINARY_DIR}/neume.pc @ONLY)
install(FILES ${CMAKE_BINARY_DIR}/neume.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
