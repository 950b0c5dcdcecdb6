import torch._dynamo  # noqa: F401  before any test loads TensorFlow: triton, loaded after it, aborts the process
