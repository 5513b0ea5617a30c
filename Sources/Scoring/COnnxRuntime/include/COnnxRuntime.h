// ONNX Runtime behind a small C face.
//
// The library is opened with dlopen and asked for its table of functions, so that one Martlet binary
// runs on any version that serves the table. Nothing here is thread-safe but what says so.
#ifndef MARTLET_COnnxRuntime_h
#define MARTLET_COnnxRuntime_h

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// The most inputs and outputs of a model.
#define MARTLET_ORT_TENSORS_MAX 64
// The most dimensions of an input or output that are reported.
#define MARTLET_ORT_RANK_MAX 8
// The room for a tensor's name, with its final zero.
#define MARTLET_ORT_NAME_MAX 512
// The room that callers give for an error's text.
#define MARTLET_ORT_ERROR_MAX 1024

typedef struct martlet_ort_engine martlet_ort_engine;
typedef struct martlet_ort_session martlet_ort_session;
typedef struct martlet_ort_run martlet_ort_run;

// What the library says of one input or output.
typedef struct {
    char name[MARTLET_ORT_NAME_MAX];
    // ONNX's TensorProto.DataType; 0 where it is no tensor.
    int32_t element_type;
    // The true rank, even above MARTLET_ORT_RANK_MAX.
    size_t rank;
    // -1 where a dimension is free.
    int64_t dimensions[MARTLET_ORT_RANK_MAX];
} martlet_ort_tensor;

// How one input is given to each run: [rows, width], or [rows] where rank is 1.
typedef struct {
    const char *name;
    int32_t element_type;
    size_t element_bytes;
    size_t rank;
    size_t width;
} martlet_ort_input;

// Turns the library's telemetry off. Call it in main, before threads and before any open.
void martlet_ort_prepare_environment(void);

// Opens the library at `path` (a path or a soname for dlopen) and makes the process's environment:
// one thread, no spinning, one arena of at most `arena_bytes_max` bytes (0: no limit).
//
// A process has one environment: a second call with the same arguments shares it, one with others
// fails. Thread-safe. NULL: the reason stands in `error`.
martlet_ort_engine *martlet_ort_open(const char *path, size_t arena_bytes_max, char *error,
                                     size_t error_room);

// Gives back what `martlet_ort_open` gave; the library itself stays loaded. Thread-safe.
void martlet_ort_close(martlet_ort_engine *engine);

// The library's own version, such as "1.32.0".
const char *martlet_ort_version(const martlet_ort_engine *engine);

// Loads a model from bytes, which need not outlive the call. Thread-safe.
martlet_ort_session *martlet_ort_load(martlet_ort_engine *engine, const void *bytes, size_t count,
                                      const char *folded_constant_bytes_max, char *error,
                                      size_t error_room);

// Frees a session that no run uses any more.
void martlet_ort_session_free(martlet_ort_session *session);

// The number of inputs (or of outputs).
size_t martlet_ort_tensor_count(const martlet_ort_session *session, bool outputs);

// Describes an input (or output).
bool martlet_ort_describe(martlet_ort_session *session, bool outputs, size_t index,
                          martlet_ort_tensor *tensor, char *error, size_t error_room);

// Says once, before any run, how inputs are given and which output is the score.
bool martlet_ort_bind(martlet_ort_session *session, const martlet_ort_input *inputs, size_t count,
                      const char *output, char *error, size_t error_room);

// What one run at a time is told; another thread may end the run through it.
martlet_ort_run *martlet_ort_run_create(martlet_ort_engine *engine, char *error, size_t error_room);

// Frees it; no run may use it any more.
void martlet_ort_run_free(martlet_ort_run *run);

// Ends the run that uses it between two of the model's operators. Thread-safe.
void martlet_ort_run_terminate(martlet_ort_run *run);

// Scores `rows` rows: `data[i]` holds input i as bound, `scores` has room for one float per row.
// Thread-safe; inputs are only read.
bool martlet_ort_score(martlet_ort_session *session, martlet_ort_run *run, size_t rows,
                       const void *const *data, float *scores, char *error, size_t error_room);

// Starts a program with no files but /dev/null and a pipe for what it writes, whose other end goes
// to `output`. Returns 0, or the reason as an errno. Thread-safe.
int martlet_spawn(const char *path, char *const arguments[], char *const environment[],
                  int32_t *child, int *output);

#endif
