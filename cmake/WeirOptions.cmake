# weir_options: what every file of ours is compiled and linked with.
add_library(weir_options INTERFACE)
target_compile_options(
  weir_options
  INTERFACE -Wall
            -Wextra
            -Wpedantic
            -Wshadow
            -Wconversion
            -Werror
            -fno-common
            -fstack-protector-strong
            -include
            ${PROJECT_SOURCE_DIR}/src/base/banned.h)
target_compile_definitions(weir_options INTERFACE _GNU_SOURCE WEIR_VERSION="${PROJECT_VERSION}")
target_include_directories(weir_options INTERFACE ${PROJECT_SOURCE_DIR}/src ${PROJECT_SOURCE_DIR}/include)
target_link_options(weir_options INTERFACE -Wl,-z,relro,-z,now)
target_link_libraries(weir_options INTERFACE m)

if(CMAKE_C_COMPILER_ID STREQUAL "GNU")
  # Cutting a message at the end of its buffer is what snprintf is called for.
  target_compile_options(weir_options INTERFACE -Wno-format-truncation)
endif()

if(WEIR_SANITIZE)
  set(sanitizers ${WEIR_SANITIZE})
  if(sanitizers MATCHES "^(ON|TRUE|YES|1)$")
    set(sanitizers address,undefined)
  endif()
  set(flags -fsanitize=${sanitizers})
  if(WEIR_FUZZ)
    list(APPEND flags -fsanitize=fuzzer-no-link)
  endif()
  target_compile_options(weir_options INTERFACE ${flags} -fno-omit-frame-pointer)
  target_link_options(weir_options INTERFACE ${flags})
  if(sanitizers MATCHES "undefined")
    target_compile_options(weir_options INTERFACE -fno-sanitize-recover=undefined)
  endif()
elseif(CMAKE_BUILD_TYPE STREQUAL "Release")
  target_compile_options(weir_options INTERFACE -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2 -ffunction-sections -fdata-sections)
  target_link_options(weir_options INTERFACE -Wl,--gc-sections,--as-needed)
endif()

if(WEIR_COVERAGE)
  target_compile_options(weir_options INTERFACE --coverage)
  target_link_options(weir_options INTERFACE --coverage)
endif()

if(WEIR_LTO)
  include(CheckIPOSupported)
  check_ipo_supported(LANGUAGES C)
  set(CMAKE_INTERPROCEDURAL_OPTIMIZATION ON)
endif()

find_program(CCACHE ccache)
if(CCACHE AND NOT CMAKE_C_COMPILER_LAUNCHER)
  set(CMAKE_C_COMPILER_LAUNCHER ${CCACHE})
endif()
