# The report page: web/report/ and Apache ECharts, packed by esbuild (both from npm, package-lock.json) into one
# template that is compiled into the program. neume_report_page is report_page() with that template.
find_program(NEUME_NODE node REQUIRED)
set(NEUME_ESBUILD ${CMAKE_SOURCE_DIR}/node_modules/@esbuild/linux-x64/bin/esbuild)
if(NOT EXISTS ${NEUME_ESBUILD} OR NOT EXISTS ${CMAKE_SOURCE_DIR}/node_modules/echarts/package.json)
  message(FATAL_ERROR "esbuild or echarts not found in node_modules; run ./setup first")
endif()

file(GLOB web_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/web/report/*)
set(template_folder ${CMAKE_BINARY_DIR}/web)
add_custom_command(
  OUTPUT ${template_folder}/report_template.cpp
  BYPRODUCTS ${template_folder}/report_template.html
  COMMAND ${NEUME_NODE} ${CMAKE_SOURCE_DIR}/web/bundle.mjs ${template_folder}
  DEPENDS ${web_sources} ${CMAKE_SOURCE_DIR}/web/bundle.mjs ${CMAKE_SOURCE_DIR}/package-lock.json
  COMMENT "Packing the report page"
  VERBATIM)

add_library(neume_report_page STATIC ${CMAKE_SOURCE_DIR}/apps/neume/report_page.cpp
            ${template_folder}/report_template.cpp)
target_include_directories(neume_report_page PUBLIC ${CMAKE_SOURCE_DIR}/apps/neume)
target_link_libraries(neume_report_page PUBLIC neume_api nlohmann_json::nlohmann_json fmt::fmt PRIVATE neume_settings)
