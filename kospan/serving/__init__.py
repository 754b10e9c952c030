"""HTTP server over saved models: FastAPI application, queue with batching, metrics, worker processes."""
