# The pages: web/report/, web/compare/ and Apache ECharts, packed by esbuild (both from npm, package-lock.json) into one
# template a page that is compiled into the program. neume_pages is report_page() and compare_page() with them.
find_program(NEUME_NODE node REQUIRED)
set(NEUME_ESBUILD ${CMAKE_SOURCE_DIR}/node_modules/@esbuild/linux-x64/bin/esbuild)
if(NOT EXISTS ${NEUME_ESBUILD} OR NOT EXISTS ${CMAKE_SOURCE_DIR}/node_modules/echarts/package.json)
  message(FATAL_ERROR "esbuild or echarts not found in node_modules; run ./setup first")
endif()

# compare uses modules of report, so each page depends on the files of both.
file(GLOB web_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/web/report/* ${CMAKE_SOURCE_DIR}/web/compare/*)
set(template_folder ${CMAKE_BINARY_DIR}/web)
add_library(neume_pages STATIC ${CMAKE_SOURCE_DIR}/apps/neume/page_shell.cpp)
foreach(page report compare)
  add_custom_command(
    OUTPUT ${template_folder}/${page}_template.cpp
    BYPRODUCTS ${template_folder}/${page}_template.html
    COMMAND ${NEUME_NODE} ${CMAKE_SOURCE_DIR}/web/bundle.mjs ${page} ${template_folder}
    DEPENDS ${web_sources} ${CMAKE_SOURCE_DIR}/web/template.html ${CMAKE_SOURCE_DIR}/web/bundle.mjs
            ${CMAKE_SOURCE_DIR}/package-lock.json
    COMMENT "Packing the page ${page}"
    VERBATIM)
  target_sources(neume_pages PRIVATE ${CMAKE_SOURCE_DIR}/apps/neume/${page}_page.cpp
                                     ${template_folder}/${page}_template.cpp)
endforeach()
target_include_directories(neume_pages PUBLIC ${CMAKE_SOURCE_DIR}/apps/neume)
target_link_libraries(neume_pages PUBLIC neume_api nlohmann_json::nlohmann_json fmt::fmt PRIVATE neume_settings)
