# Compile settings shared by every target, and the function that turns a folder of src/ into a library.
add_library(neume_settings INTERFACE)
target_compile_options(neume_settings INTERFACE -Wall -Wextra -Wshadow -Wnon-virtual-dtor -fno-math-errno
                       $<$<BOOL:${NEUME_WERROR}>:-Werror>)
# Two vector targets beside the baseline are enough and keep compile times down.
target_compile_definitions(neume_settings INTERFACE
  HWY_DISABLED_TARGETS=\(HWY_SSSE3|HWY_SSE4|HWY_AVX3_DL\))
if(NEUME_SANITIZE)
  target_compile_options(neume_settings INTERFACE -fsanitize=${NEUME_SANITIZE} -fno-omit-frame-pointer
                         -fno-sanitize-recover=all
                         -Wno-maybe-uninitialized)  # g++ 12 sees ghosts in instrumented std::regex
  target_link_options(neume_settings INTERFACE -fsanitize=${NEUME_SANITIZE})
endif()

# The public headers: standard library only.
add_library(neume_api INTERFACE)
target_include_directories(neume_api INTERFACE ${CMAKE_SOURCE_DIR}/include)
target_compile_definitions(neume_api INTERFACE NEUME_VERSION="${PROJECT_VERSION}")

# neume_module(name LINKS targets...): src/<name>/*.cpp becomes the library neume_<name>.
function(neume_module name)
  cmake_parse_arguments(ARG "" "" "LINKS" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/${name}/*.cpp)
  add_library(neume_${name} STATIC ${sources})
  target_include_directories(neume_${name} PUBLIC ${CMAKE_SOURCE_DIR}/src)
  target_link_libraries(neume_${name} PUBLIC ${ARG_LINKS} PRIVATE neume_settings)
endfunction()
