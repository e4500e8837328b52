// Brain extraction of one scan, in the form of an nf-core module: `tuple val(meta), path(scan)` in.
//
//   include { ENDOCAST } from './main.nf'
//
// Options for the program go into `task.ext.args`.

process ENDOCAST {
    tag "$meta.id"
    label 'process_low'

    input:
    tuple val(meta), path(scan)

    output:
    tuple val(meta), path("*_brain.nii.gz")     , emit: brain
    tuple val(meta), path("*_brain_mask.nii.gz"), emit: mask
    path "versions.yml"                         , emit: versions

    when:
    task.ext.when == null || task.ext.when

    script:
    def args   = task.ext.args   ?: ''
    def prefix = task.ext.prefix ?: "${meta.id}"
    """
    endocast \\
        $scan \\
        --brain ${prefix}_brain.nii.gz \\
        --mask ${prefix}_brain_mask.nii.gz \\
        --threads $task.cpus \\
        --qc-exit 0 \\
        $args

    cat <<-END_VERSIONS > versions.yml
    "${task.process}":
        endocast: \$(endocast --version | cut -d ' ' -f 2)
    END_VERSIONS
    """

    stub:
    def prefix = task.ext.prefix ?: "${meta.id}"
    """
    touch ${prefix}_brain.nii.gz ${prefix}_brain_mask.nii.gz

    cat <<-END_VERSIONS > versions.yml
    "${task.process}":
        endocast: \$(endocast --version | cut -d ' ' -f 2)
    END_VERSIONS
    """
}
