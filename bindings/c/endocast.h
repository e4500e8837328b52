/* endocast: brain extraction from head MRI.
 *
 * Open a session, extract as many brains as you like, close it. A session may be used from several
 * threads; it works on one scan at a time, with as many threads of its own as were asked for. For
 * several scans at a time, open several sessions.
 *
 * Functions that can fail return a status, whose numbers are the exit codes of the endocast command;
 * endocast_error() then says in one line what happened. No function stops the process. */
#ifndef ENDOCAST_H
#define ENDOCAST_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum endocast_status {
    ENDOCAST_OK = 0,
    ENDOCAST_USAGE = 2,       /* an argument is wrong */
    ENDOCAST_INPUT = 3,       /* the scan cannot be read or is not supported */
    ENDOCAST_OUTPUT = 4,      /* a file cannot be written, or exists */
    ENDOCAST_MODEL = 6,       /* the model or the library is damaged */
    ENDOCAST_NO_BRAIN = 7,    /* no brain was found */
    ENDOCAST_SUSPICIOUS = 10  /* the mask was made, but a person should look at it */
} endocast_status;

typedef enum endocast_precision {
    ENDOCAST_AUTO = 0, /* what the model file has, or the faster of the models inside the library */
    ENDOCAST_F32 = 1,
    ENDOCAST_INT8 = 2
} endocast_precision;

/* Voxel types, by their NIfTI codes. */
typedef enum endocast_datatype {
    ENDOCAST_UINT8 = 2,
    ENDOCAST_INT16 = 4,
    ENDOCAST_INT32 = 8,
    ENDOCAST_FLOAT32 = 16,
    ENDOCAST_FLOAT64 = 64,
    ENDOCAST_INT8_VOXELS = 256,
    ENDOCAST_UINT16 = 512,
    ENDOCAST_UINT32 = 768,
    ENDOCAST_INT64 = 1024,
    ENDOCAST_UINT64 = 1280
} endocast_datatype;

/* How to extract. All zero is the default. */
typedef struct endocast_options {
    const char *model;   /* model file, UTF-8; NULL: the model inside the library */
    int32_t precision;   /* endocast_precision */
    uint32_t threads;    /* 0: one for each core that the process may use */
    float threshold;     /* least probability of a brain voxel, below 1; 0: the model's own */
} endocast_options;

/* A scan in memory. */
typedef struct endocast_volume {
    const void *voxels;   /* first axis fastest, in the machine's byte order, aligned or not */
    int32_t datatype;     /* endocast_datatype */
    uint64_t shape[3];    /* number of voxels along each axis */
    double affine[3][4];  /* from voxel indices (i, j, k, 1) to mm towards right, anterior, superior */
    double slope;         /* value = slope * voxel + intercept; slope 0: the voxels are the values */
    double intercept;
} endocast_volume;

/* What was found. */
typedef struct endocast_result {
    double volume_ml; /* of the mask */
    double score;     /* of the mask's quality check, 0 to 1; below 0.5 is ENDOCAST_SUSPICIOUS */
} endocast_result;

typedef struct endocast_session endocast_session;

/* The library's version, such as "0.1.0". Lives as long as the library. */
const char *endocast_version(void);

/* Opens a session; NULL options are the default. On failure *session is NULL. */
endocast_status endocast_open(const endocast_options *options, endocast_session **session);

/* Extracts the brain of a scan in memory.
 *
 * mask gets one byte for each voxel, 1 in the brain and 0 elsewhere; distance the signed distance to
 * its surface in mm, negative inside; probability the brain probability. All have the scan's shape
 * and order; each, and result, may be NULL if it is not wanted. They are complete after ENDOCAST_OK
 * and ENDOCAST_SUSPICIOUS, and untouched after everything else. */
endocast_status endocast_extract(endocast_session *session, const endocast_volume *volume,
                                 uint8_t *mask, float *distance, float *probability,
                                 endocast_result *result);

/* Extracts the brain of a NIfTI or MGH file into NIfTI files, exactly those that the command writes.
 * mask, brain and result may be NULL if they are not wanted. Files appear complete or not at all; one
 * that exists is not replaced, which is ENDOCAST_OUTPUT. Paths are UTF-8. */
endocast_status endocast_extract_file(endocast_session *session, const char *scan,
                                      const char *mask, const char *brain,
                                      endocast_result *result);

/* One line about the last call in this thread that did not return ENDOCAST_OK, or "" if there was none
 * yet. Lives until the next such call in this thread. */
const char *endocast_error(void);

/* Closes a session that no thread uses any more; NULL is allowed. */
void endocast_close(endocast_session *session);

#ifdef __cplusplus
}
#endif

#endif
