/* What callers do wrong, and what several threads do at once. */
#include <endocast.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPECT(condition)                                                        \
    do {                                                                         \
        if (!(condition)) {                                                      \
            fprintf(stderr, "line %d: %s (%s)\n", __LINE__, #condition, endocast_error()); \
            exit(1);                                                             \
        }                                                                        \
    } while (0)

enum { SIDE = 32, COUNT = SIDE * SIDE * SIDE };

static int16_t voxels[COUNT];
static uint8_t expected[COUNT];
static endocast_session *session;

static endocast_volume ball(void) {
    endocast_volume volume = {voxels, ENDOCAST_INT16, {SIDE, SIDE, SIDE}, {{0}}, 0, 0};
    for (int axis = 0; axis < 3; axis++) {
        volume.affine[axis][axis] = 6;
        volume.affine[axis][3] = -96;
    }
    for (int i = 0; i < COUNT; i++) {
        double x = i % SIDE - 15.5, y = i / SIDE % SIDE - 15.5, z = i / SIDE / SIDE - 15.5;
        double r = sqrt(x * x + y * y + z * z);
        voxels[i] = (int16_t)(r < 11 ? 600 : r < 13 ? 60 : r < 14.5 ? 500 : 0) + i % 5;
    }
    return volume;
}

static void *work(void *unused) {
    (void)unused;
    uint8_t *mask = malloc(COUNT);
    endocast_volume volume = ball();
    for (int round = 0; round < 3; round++) {
        memset(mask, 9, COUNT);
        endocast_status status = endocast_extract(session, &volume, mask, NULL, NULL, NULL);
        EXPECT(status == ENDOCAST_OK || status == ENDOCAST_SUSPICIOUS);
        EXPECT(memcmp(mask, expected, COUNT) == 0);
    }
    free(mask);
    return NULL;
}

int main(int count, char **arguments) {
    EXPECT(count == 2);
    EXPECT(strcmp(endocast_error(), "") == 0);
    EXPECT(strcmp(endocast_version(), arguments[1]) == 0);
    endocast_close(NULL);

    /* Opening. */
    EXPECT(endocast_open(NULL, NULL) == ENDOCAST_USAGE);
    EXPECT(strcmp(endocast_error(), "session is NULL") == 0);
    endocast_options options = {"no such.model", ENDOCAST_AUTO, 1, 0};
    EXPECT(endocast_open(&options, &session) == ENDOCAST_USAGE && !session);
    EXPECT(strstr(endocast_error(), "no such.model"));
    options = (endocast_options){NULL, 7, 1, 0};
    EXPECT(endocast_open(&options, &session) == ENDOCAST_USAGE && !session);
    options = (endocast_options){NULL, ENDOCAST_INT8, 1, 2};
    EXPECT(endocast_open(&options, &session) == ENDOCAST_USAGE && !session);
    options = (endocast_options){"\xff", ENDOCAST_INT8, 1, 0};
    EXPECT(endocast_open(&options, &session) == ENDOCAST_INPUT && !session);
    options = (endocast_options){NULL, ENDOCAST_INT8, 2, 0};
    EXPECT(endocast_open(&options, &session) == ENDOCAST_OK && session);

    /* Extracting. */
    endocast_volume good = ball(), volume = good;
    endocast_result result;
    EXPECT(endocast_extract(NULL, &volume, expected, NULL, NULL, NULL) == ENDOCAST_USAGE);
    EXPECT(endocast_extract(session, NULL, expected, NULL, NULL, NULL) == ENDOCAST_USAGE);
    volume.voxels = NULL;
    EXPECT(endocast_extract(session, &volume, expected, NULL, NULL, NULL) == ENDOCAST_USAGE);
    volume = good, volume.datatype = 128;
    EXPECT(endocast_extract(session, &volume, expected, NULL, NULL, NULL) == ENDOCAST_USAGE);
    volume = good, volume.shape[0] = volume.shape[1] = UINT64_MAX;
    EXPECT(endocast_extract(session, &volume, expected, NULL, NULL, NULL) == ENDOCAST_INPUT);
    volume = good, volume.shape[2] = 0;
    EXPECT(endocast_extract(session, &volume, expected, NULL, NULL, NULL) == ENDOCAST_INPUT);
    volume = good, volume.affine[1][1] = NAN;
    EXPECT(endocast_extract(session, &volume, expected, NULL, NULL, NULL) == ENDOCAST_INPUT);
    EXPECT(expected[0] == 0);
    int16_t *constant = calloc(COUNT, sizeof *constant);
    volume = good, volume.voxels = constant;
    EXPECT(endocast_extract(session, &volume, expected, NULL, NULL, NULL) == ENDOCAST_INPUT);
    EXPECT(strstr(endocast_error(), "constant"));
    free(constant);

    float *distance = malloc(COUNT * sizeof *distance), *probability = malloc(COUNT * sizeof *probability);
    endocast_status status = endocast_extract(session, &good, expected, distance, probability, &result);
    EXPECT(status == ENDOCAST_OK || status == ENDOCAST_SUSPICIOUS);
    size_t inside = 0;
    for (int i = 0; i < COUNT; i++) {
        EXPECT(expected[i] <= 1 && (distance[i] <= 0) == expected[i]);
        EXPECT(probability[i] >= 0 && probability[i] <= 1);
        inside += expected[i];
    }
    EXPECT(fabs(result.volume_ml - inside * 0.216) < 1e-6 * result.volume_ml);
    EXPECT(result.score >= 0 && result.score <= 1);

    /* Voxels that are not aligned, and values by slope and intercept. */
    char *bytes = malloc(COUNT * 4 + 1);
    for (int i = 0; i < COUNT; i++) {
        float value = (voxels[i] - 100) / 4.0f;
        memcpy(bytes + 1 + 4 * i, &value, 4);
    }
    volume = good, volume.voxels = bytes + 1, volume.datatype = ENDOCAST_FLOAT32;
    volume.slope = 4, volume.intercept = 100;
    uint8_t *again = malloc(COUNT);
    EXPECT(endocast_extract(session, &volume, again, NULL, NULL, NULL) == status);
    EXPECT(memcmp(again, expected, COUNT) == 0);

    /* Files. */
    EXPECT(endocast_extract_file(session, NULL, "m.nii", NULL, NULL) == ENDOCAST_USAGE);
    EXPECT(endocast_extract_file(session, "none.nii", "m.nii", NULL, NULL) == ENDOCAST_INPUT);
    EXPECT(strstr(endocast_error(), "none.nii: "));
    EXPECT(endocast_extract_file(session, "none.nii", "m.png", NULL, NULL) == ENDOCAST_OUTPUT);
    EXPECT(endocast_extract_file(session, "none.nii", "no/m.nii", NULL, NULL) == ENDOCAST_OUTPUT);

    /* Threads, which share one session. */
    pthread_t threads[3];
    for (int i = 0; i < 3; i++) EXPECT(pthread_create(&threads[i], NULL, work, NULL) == 0);
    for (int i = 0; i < 3; i++) EXPECT(pthread_join(threads[i], NULL) == 0);
    endocast_close(session);
    free(distance), free(probability), free(bytes), free(again);
    return 0;
}
