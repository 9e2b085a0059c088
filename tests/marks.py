"""Which tests are left out of daily work, and why: each mark with the beginnings of its tests' names."""

MARKS = {
    # starts ranks with mpirun
    "mpi": (
        "tests/mpi/",
        "tests/genotypes/test_any_genotype.py::test_ranks_of_mpi",
        "tests/test_hier_evo.py::test_bad_input_under_mpirun",
        "tests/test_hier_evo.py::test_one_process_and_one_rank",
        "tests/test_hier_evo.py::test_ranks_",
        "tests/test_testing.py::test_executors_over_mpi",
        "tests/test_wheel.py::test_the_demo",
        "tests/training/weights/test_full_disk.py::test_weights_of_ranks",
        "tests/with_deap/test_maps.py::test_a_rank_that_dies",
    ),
    # kills a program, at any instant or again and again
    "kill": (
        "tests/genotypes/test_any_genotype.py::test_a_search_killed",
        "tests/mpi/test_faults.py::",
        "tests/store/hdf5/test_population_file.py::test_kill_on",
        "tests/store/hdf5/test_population_file.py::test_writer_killed",
        "tests/test_generate_update.py::test_a_search_that_is_killed",
        "tests/training/retraining/test_process_group.py::test_two_processes_that_are_killed",
        "tests/training/retraining/test_retraining.py::test_retraining_that_is_killed",
        "tests/training/weights/test_forgetting.py::test_a_kill",
        "tests/training/weights/test_inheritance.py::test_a_kill",
    ),
    # runs a script of benchmarks/, small
    "benchmark": ("tests/test_benchmarks.py::",),
    # takes seconds: trains, compiles, builds large networks, or starts many programs
    "slow": (
        "tests/assembly/test_naive.py::test_network_and_naive_network",
        "tests/assembly/test_network_files.py::",
        "tests/assembly/test_templates.py::",
        "tests/assembly/test_whole_export.py::",
        "tests/executors/test_pickling.py::test_a_fitness_that_workers_do_not_find",
        "tests/executors/test_pickling.py::test_a_script_without_its_guard",
        "tests/slurm/",
        "tests/test_cli_replay.py::test_it_is_trained_with_the_threads",
        "tests/test_cli_retrain.py::",
        "tests/test_docs.py::test_a_seeded_program",
        "tests/test_docs.py::test_one_max_with_a_limit",
        "tests/test_examples.py::",
        "tests/test_hier_evo.py::",
        "tests/test_output.py::",
        "tests/test_wheel.py::",
        "tests/training/data/test_augmentation.py::test_images_read_file_by_file",
        "tests/training/data/test_streams.py::",
        "tests/training/fitness/test_accuracy.py::test_training_on_digits",
        "tests/training/fitness/test_stacking.py::",
        "tests/training/retraining/",
        "tests/training/test_trainer.py::test_compiled_steps",
        "tests/training/test_training_switches.py::",
        "tests/training/weights/test_full_disk.py::",
        "tests/training/weights/test_forgetting.py::test_under",
        "tests/training/weights/test_inheritance.py::test_processes_leave",
    ),
}
