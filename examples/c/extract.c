/* Extracts the brain of a head scan that is in memory, and again from file to file.
 *
 *   cargo build --release -p endocast-c
 *   cc examples/c/extract.c -I bindings/c -L target/release -lendocast -o extract
 *   LD_LIBRARY_PATH=target/release ./extract head.nii mask.raw mask.nii.gz
 *
 * To keep the example short, it reads only NIfTI-1 files that are not compressed, have an sform, and
 * were written on a machine like this one. endocast_extract_file() reads everything. */
#include <endocast.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int fail(const char *what) {
    fprintf(stderr, "%s: %s\n", what, endocast_error());
    return 1;
}

/* Reads header and voxels; the caller frees the voxels. */
static int read_nifti(const char *path, endocast_volume *volume) {
    unsigned char header[352];
    int16_t dim[8], datatype, bits;
    float slope, intercept, offset, sform[3][4];
    FILE *file = fopen(path, "rb");
    if (!file || fread(header, sizeof header, 1, file) != 1) return 0;
    memcpy(dim, header + 40, sizeof dim);
    memcpy(&datatype, header + 70, 2);
    memcpy(&bits, header + 72, 2);
    memcpy(&offset, header + 108, 4);
    memcpy(&slope, header + 112, 4);
    memcpy(&intercept, header + 116, 4);
    memcpy(sform, header + 280, sizeof sform);
    size_t count = (size_t)dim[1] * dim[2] * dim[3], size = (size_t)bits / 8;
    void *voxels = malloc(count * size);
    fseek(file, (long)offset, SEEK_SET);
    if (!voxels || fread(voxels, size, count, file) != count) return 0;
    fclose(file);
    volume->voxels = voxels;
    volume->datatype = datatype;
    volume->slope = slope;
    volume->intercept = intercept;
    for (int axis = 0; axis < 3; axis++) {
        volume->shape[axis] = (uint64_t)dim[axis + 1];
        for (int column = 0; column < 4; column++)
            volume->affine[axis][column] = sform[axis][column];
    }
    return 1;
}

int main(int count, char **arguments) {
    if (count != 4) {
        fprintf(stderr, "usage: %s SCAN.nii MASK.raw MASK.nii.gz\n", arguments[0]);
        return 2;
    }
    endocast_volume volume;
    if (!read_nifti(arguments[1], &volume)) {
        fprintf(stderr, "%s: cannot read\n", arguments[1]);
        return 3;
    }
    endocast_session *session;
    if (endocast_open(NULL, &session) != ENDOCAST_OK) return fail("open");

    size_t voxels = volume.shape[0] * volume.shape[1] * volume.shape[2];
    uint8_t *mask = malloc(voxels);
    float *distance = malloc(voxels * sizeof *distance);
    endocast_result result;
    endocast_status status = endocast_extract(session, &volume, mask, distance, NULL, &result);
    if (status == ENDOCAST_SUSPICIOUS)
        fprintf(stderr, "look at this mask: %s\n", endocast_error());
    else if (status != ENDOCAST_OK)
        return fail(arguments[1]);
    float deepest = 0;
    for (size_t voxel = 0; voxel < voxels; voxel++)
        if (distance[voxel] < deepest) deepest = distance[voxel];
    printf("endocast %s: %.0f ml, up to %.0f mm deep\n", endocast_version(), result.volume_ml,
           -deepest);
    FILE *raw = fopen(arguments[2], "wb");
    if (!raw || fwrite(mask, 1, voxels, raw) != voxels || fclose(raw)) return 4;

    status = endocast_extract_file(session, arguments[1], arguments[3], NULL, NULL);
    if (status != ENDOCAST_OK && status != ENDOCAST_SUSPICIOUS) return fail("to a file");

    endocast_close(session);
    free(distance);
    free(mask);
    free((void *)volume.voxels);
    return 0;
}
