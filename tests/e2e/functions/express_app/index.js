// An Express application behind an HTTP API, by serverless-http.
const express = require('express');
const serverless = require('serverless-http');

const app = express();
app.use(express.json());
app.get('/items/:id', (request, response) => response.json({ item_id: request.params.id, q: request.query.q }));
app.post('/items', (request, response) => response.status(201).json({ made: request.body.name }));

exports.handler = serverless(app);
