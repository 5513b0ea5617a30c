// Models: loading, describing, running.
#define _POSIX_C_SOURCE 200809L  // setenv, strdup

#include "engine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    char *name;
    int32_t element_type;
    size_t element_bytes;
    size_t rank;
    size_t width;
} bound_input;

struct martlet_ort_session {
    martlet_ort_engine *engine;
    void *session;
    size_t counts[2];
    bound_input inputs[MARTLET_ORT_TENSORS_MAX];
    size_t input_count;
    char *output;
};

struct martlet_ort_run {
    martlet_ort_engine *engine;
    void *options;
};

#define TRY(call, step)                                                                            \
    if (!martlet_ort_check(engine, (call), (step), error, error_room)) goto done

static bool open_session(martlet_ort_session *session, const void *bytes, size_t count,
                         const char *folded_constant_bytes_max, char *error, size_t error_room) {
    martlet_ort_engine *engine = session->engine;
    const martlet_ort_functions *ort = &engine->ort;
    void *options = NULL;
    bool good = false;
    TRY(ort->create_session_options(&options), "session options");
    TRY(ort->disable_session_threads(options), "shared threads");
    TRY(ort->set_execution_mode(options, ORT_SEQUENTIAL_EXECUTION), "sequential execution");
    TRY(ort->set_session_log_level(options, ORT_LOG_ERROR), "log level");
    TRY(ort->add_session_setting(options, "session.use_env_allocators", "1"), "shared arena");
    TRY(ort->add_session_setting(options, "optimization.constant_folding_max_output_size_in_bytes",
                                 folded_constant_bytes_max),
        "limit of constant folding");
    TRY(ort->create_session(engine->environment, bytes, count, options, &session->session),
        "load");
    TRY(ort->input_count(session->session, &session->counts[0]), "inputs");
    TRY(ort->output_count(session->session, &session->counts[1]), "outputs");
    if (session->counts[0] > MARTLET_ORT_TENSORS_MAX) {
        snprintf(error, error_room, "the model has %zu inputs, the limit is %d",
                 session->counts[0], MARTLET_ORT_TENSORS_MAX);
        goto done;
    }
    good = true;
done:
    if (options != NULL) ort->release_session_options(options);
    return good;
}

martlet_ort_session *martlet_ort_load(martlet_ort_engine *engine, const void *bytes, size_t count,
                                      const char *folded_constant_bytes_max, char *error,
                                      size_t error_room) {
    martlet_ort_session *session = calloc(1, sizeof(*session));
    if (session == NULL) {
        snprintf(error, error_room, "out of memory");
        return NULL;
    }
    session->engine = engine;
    if (!open_session(session, bytes, count, folded_constant_bytes_max, error, error_room)) {
        martlet_ort_session_free(session);
        return NULL;
    }
    return session;
}

static void unbind(martlet_ort_session *session) {
    for (size_t index = 0; index < session->input_count; index++) {
        free(session->inputs[index].name);
    }
    session->input_count = 0;
    free(session->output);
    session->output = NULL;
}

void martlet_ort_session_free(martlet_ort_session *session) {
    unbind(session);
    if (session->session != NULL) session->engine->ort.release_session(session->session);
    free(session);
}

size_t martlet_ort_tensor_count(const martlet_ort_session *session, bool outputs) {
    return session->counts[outputs ? 1 : 0];
}

bool martlet_ort_describe(martlet_ort_session *session, bool outputs, size_t index,
                          martlet_ort_tensor *tensor, char *error, size_t error_room) {
    martlet_ort_engine *engine = session->engine;
    const martlet_ort_functions *ort = &engine->ort;
    char *name = NULL;
    void *type = NULL;
    bool good = false;
    memset(tensor, 0, sizeof(*tensor));
    TRY(outputs ? ort->output_name(session->session, index, engine->allocator, &name)
                : ort->input_name(session->session, index, engine->allocator, &name),
        "name");
    if (strlen(name) >= sizeof(tensor->name)) {
        snprintf(error, error_room, "a tensor's name has %zu bytes, the limit is %d", strlen(name),
                 MARTLET_ORT_NAME_MAX - 1);
        goto done;
    }
    memcpy(tensor->name, name, strlen(name));
    TRY(outputs ? ort->output_type(session->session, index, &type)
                : ort->input_type(session->session, index, &type),
        "type");
    const void *info = NULL;
    TRY(ort->tensor_info_of_type(type, &info), "tensor type");
    if (info != NULL) {
        int element_type = 0;
        TRY(ort->element_type(info, &element_type), "element type");
        TRY(ort->dimension_count(info, &tensor->rank), "rank");
        if (tensor->rank <= MARTLET_ORT_RANK_MAX) {
            TRY(ort->dimensions(info, tensor->dimensions, tensor->rank), "dimensions");
        }
        tensor->element_type = element_type;
    }
    good = true;
done:
    if (type != NULL) ort->release_type(type);
    if (name != NULL) {
        char ignored[64];
        martlet_ort_check(engine, ort->allocator_free(engine->allocator, name), "free", ignored,
                          sizeof(ignored));
    }
    return good;
}

bool martlet_ort_bind(martlet_ort_session *session, const martlet_ort_input *inputs, size_t count,
                      const char *output, char *error, size_t error_room) {
    if (count > MARTLET_ORT_TENSORS_MAX) {
        snprintf(error, error_room, "%zu inputs, the limit is %d", count, MARTLET_ORT_TENSORS_MAX);
        return false;
    }
    unbind(session);
    session->output = strdup(output);
    bool good = session->output != NULL;
    for (size_t index = 0; good && index < count; index++) {
        bound_input *bound = &session->inputs[index];
        bound->name = strdup(inputs[index].name);
        bound->element_type = inputs[index].element_type;
        bound->element_bytes = inputs[index].element_bytes;
        bound->rank = inputs[index].rank;
        bound->width = inputs[index].width;
        good = bound->name != NULL;
        session->input_count = index + 1;
    }
    if (!good) {
        unbind(session);
        snprintf(error, error_room, "out of memory");
    }
    return good;
}

martlet_ort_run *martlet_ort_run_create(martlet_ort_engine *engine, char *error,
                                        size_t error_room) {
    martlet_ort_run *run = calloc(1, sizeof(*run));
    if (run == NULL) {
        snprintf(error, error_room, "out of memory");
        return NULL;
    }
    run->engine = engine;
    if (!martlet_ort_check(engine, engine->ort.create_run_options(&run->options), "run options",
                           error, error_room)) {
        free(run);
        return NULL;
    }
    return run;
}

void martlet_ort_run_free(martlet_ort_run *run) {
    run->engine->ort.release_run_options(run->options);
    free(run);
}

void martlet_ort_run_terminate(martlet_ort_run *run) {
    char ignored[64];
    martlet_ort_check(run->engine, run->engine->ort.set_terminate(run->options), "terminate",
                      ignored, sizeof(ignored));
}

// Copies the scores out of the output tensor, which must be [rows] or [rows, 1].
static bool take_scores(martlet_ort_engine *engine, void *value, size_t rows, float *scores,
                        char *error, size_t error_room) {
    const martlet_ort_functions *ort = &engine->ort;
    void *info = NULL;
    bool good = false;
    int answer = 0;
    TRY(ort->is_tensor(value, &answer), "output");
    if (!answer) {
        snprintf(error, error_room, "the model returned something else than a tensor");
        return false;
    }
    TRY(ort->tensor_info_of_value(value, &info), "output");
    int type = 0;
    size_t rank = 0;
    int64_t shape[2] = {0, 1};
    TRY(ort->element_type(info, &type), "output's type");
    TRY(ort->dimension_count(info, &rank), "output's rank");
    if (rank != 1 && rank != 2) {
        snprintf(error, error_room, "the model returned a tensor of rank %zu, 1 or 2 expected",
                 rank);
        goto done;
    }
    TRY(ort->dimensions(info, shape, rank), "output's shape");
    if (shape[0] < 0 || (size_t)shape[0] != rows || shape[1] != 1) {
        snprintf(error, error_room,
                 "the model returned %lld x %lld values for %zu rows, one for each row expected",
                 (long long)shape[0], (long long)shape[1], rows);
        goto done;
    }
    void *data = NULL;
    TRY(ort->tensor_data(value, &data), "output's values");
    if (type == ONNX_FLOAT) {
        memcpy(scores, data, rows * sizeof(float));
    } else if (type == ONNX_DOUBLE) {
        const double *wide = data;
        for (size_t row = 0; row < rows; row++) scores[row] = (float)wide[row];
    } else {
        snprintf(error, error_room, "the model returned element type %d, float or double expected",
                 type);
        goto done;
    }
    good = true;
done:
    if (info != NULL) ort->release_tensor_info(info);
    return good;
}

bool martlet_ort_score(martlet_ort_session *session, martlet_ort_run *run, size_t rows,
                       const void *const *data, float *scores, char *error, size_t error_room) {
    martlet_ort_engine *engine = session->engine;
    const martlet_ort_functions *ort = &engine->ort;
    const char *names[MARTLET_ORT_TENSORS_MAX];
    void *values[MARTLET_ORT_TENSORS_MAX];
    size_t made = 0;
    void *output = NULL;
    bool good = false;
    if (session->output == NULL) {
        snprintf(error, error_room, "the session was not bound");
        return false;
    }
    for (; made < session->input_count; made++) {
        const bound_input *input = &session->inputs[made];
        const int64_t shape[2] = {(int64_t)rows, (int64_t)input->width};
        values[made] = NULL;
        names[made] = input->name;
        // The library takes a plain pointer for tensors of either direction, and only reads inputs.
        TRY(ort->create_tensor(engine->memory, (void *)(uintptr_t)data[made],
                               rows * input->width * input->element_bytes, shape, input->rank,
                               input->element_type, &values[made]),
            input->name);
    }
    const char *output_names[1] = {session->output};
    TRY(ort->run(session->session, run->options, names, (const void *const *)values, made,
                 output_names, 1, &output),
        "run");
    good = take_scores(engine, output, rows, scores, error, error_room);
done:
    for (size_t index = 0; index < made; index++) ort->release_value(values[index]);
    if (output != NULL) ort->release_value(output);
    return good;
}
