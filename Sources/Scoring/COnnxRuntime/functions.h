// The functions of ONNX Runtime's table that Martlet calls, each with its slot.
//
// The table's order is frozen upstream: entries are only appended. The slots were taken with
// offsetof from the public header. All but the release functions return a status, NULL if all is
// well; `void *` stands for the library's opaque types.
#ifndef MARTLET_ORT_FUNCTIONS_H
#define MARTLET_ORT_FUNCTIONS_H

#include <stddef.h>
#include <stdint.h>

// The lowest version of the table that has every slot below.
#define MARTLET_ORT_API_VERSION 8

#define MARTLET_ORT_FUNCTIONS(X)                                                                   \
    X(0, void *, create_status, (int code, const char *message))                                   \
    X(1, int, error_code, (const void *status))                                                    \
    X(2, const char *, error_message, (const void *status))                                        \
    X(6, void *, disable_telemetry, (const void *environment))                                     \
    X(8, void *, create_session,                                                                   \
      (const void *environment, const void *bytes, size_t count, const void *options,              \
       void **session))                                                                            \
    X(9, void *, run,                                                                              \
      (void *session, const void *options, const char *const *input_names,                         \
       const void *const *inputs, size_t input_count, const char *const *output_names,             \
       size_t output_count, void **outputs))                                                       \
    X(10, void *, create_session_options, (void **options))                                        \
    X(13, void *, set_execution_mode, (void *options, int mode))                                   \
    X(22, void *, set_session_log_level, (void *options, int level))                               \
    X(30, void *, input_count, (const void *session, size_t *count))                               \
    X(31, void *, output_count, (const void *session, size_t *count))                              \
    X(33, void *, input_type, (const void *session, size_t index, void **type))                    \
    X(34, void *, output_type, (const void *session, size_t index, void **type))                   \
    X(36, void *, input_name,                                                                      \
      (const void *session, size_t index, void *allocator, char **name))                           \
    X(37, void *, output_name,                                                                     \
      (const void *session, size_t index, void *allocator, char **name))                           \
    X(39, void *, create_run_options, (void **options))                                            \
    X(46, void *, set_terminate, (void *options))                                                  \
    X(49, void *, create_tensor,                                                                   \
      (const void *memory, void *data, size_t bytes, const int64_t *shape, size_t rank, int type,  \
       void **value))                                                                              \
    X(50, void *, is_tensor, (const void *value, int *answer))                                     \
    X(51, void *, tensor_data, (void *value, void **data))                                         \
    X(55, void *, tensor_info_of_type, (const void *type, const void **info))                      \
    X(60, void *, element_type, (const void *info, int *type))                                     \
    X(61, void *, dimension_count, (const void *info, size_t *count))                              \
    X(62, void *, dimensions, (const void *info, int64_t *values, size_t count))                   \
    X(65, void *, tensor_info_of_value, (const void *value, void **info))                          \
    X(69, void *, create_cpu_memory, (int allocator_type, int memory_type, void **memory))         \
    X(76, void *, allocator_free, (void *allocator, void *memory))                                 \
    X(78, void *, default_allocator, (void **allocator))                                           \
    X(92, void, release_environment, (void *environment))                                          \
    X(93, void, release_status, (void *status))                                                    \
    X(94, void, release_memory, (void *memory))                                                    \
    X(95, void, release_session, (void *session))                                                  \
    X(96, void, release_value, (void *value))                                                      \
    X(97, void, release_run_options, (void *options))                                              \
    X(98, void, release_type, (void *type))                                                        \
    X(99, void, release_tensor_info, (void *info))                                                 \
    X(100, void, release_session_options, (void *options))                                         \
    X(119, void *, create_environment,                                                             \
      (int log_level, const char *log_name, const void *threading, void **environment))            \
    X(120, void *, disable_session_threads, (void *options))                                       \
    X(121, void *, create_threading, (void **threading))                                           \
    X(122, void, release_threading, (void *threading))                                             \
    X(130, void *, add_session_setting, (void *options, const char *key, const char *value))       \
    X(144, void *, register_allocator,                                                             \
      (void *environment, const void *memory, const void *arena))                                  \
    X(147, void *, set_intra_op_threads, (void *threading, int count))                             \
    X(148, void *, set_inter_op_threads, (void *threading, int count))                             \
    X(149, void *, set_spinning, (void *threading, int allowed))                                   \
    X(157, void, release_arena, (void *arena))                                                     \
    X(164, void *, create_arena,                                                                   \
      (const char *const *keys, const size_t *values, size_t count, void **arena))

typedef struct {
#define MARTLET_ORT_FIELD(slot, result, name, parameters) result(*name) parameters;
    MARTLET_ORT_FUNCTIONS(MARTLET_ORT_FIELD)
#undef MARTLET_ORT_FIELD
} martlet_ort_functions;

// Values of the library's enumerations.
enum {
    ORT_LOG_ERROR = 3,
    ORT_ALLOCATOR_ARENA = 1,
    ORT_MEMORY_DEFAULT = 0,
    ORT_SEQUENTIAL_EXECUTION = 0,
    ONNX_FLOAT = 1,
    ONNX_DOUBLE = 11,
};

#endif
